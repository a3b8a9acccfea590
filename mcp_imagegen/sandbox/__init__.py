"""A local stand-in for OpenAI's API that draws real pictures; it shares no code with what it checks.

`app.Sandbox` is the ASGI application, `serving` serves it on this machine. It answers the image endpoints, responses
with the image_generation tool, files and models as OpenAI documents them: shapes, events, errors, usage figures.

It does not imitate
* what a model would draw: a picture is a seeded scene with the prompt on a label; an edit is a tint, some shapes and a
  new label;
* rate limits, quotas, verification, moderation and failures, except where a prompt asks for them;
* DALL·E and `POST /v1/images/variations`, which OpenAI has retired;
* batches, conversations, prompt templates, lists of input items;
* tools other than `image_generation`: they are repeated in the answer and never called;
* images by https URL: nothing is downloaded; the answer is that of a URL which leads to nothing;
* the `markup` parameter, limits on the bytes of a file, and the effect of `moderation`;
* partly transparent masks: only pixels of alpha 0 change. An SVG ignores the mask and further images;
* signed provenance (C2PA) in the files, and watermarks;
* token caching and service tiers; the host model's tokens are made up within the range of recorded answers;
* a tokenizer: text counts as a quarter of its characters;
* organizations of several keys, and projects: what a key has stored is known to that key alone;
* lasting storage: everything is in memory, at most 512 MiB of each kind for a key, and ends with the process.

A word in the prompt asks for a situation: `sandbox:moderation`, `sandbox:rate-limit`, `sandbox:quota`,
`sandbox:billing-limit`, `sandbox:spend-limit`, `sandbox:unverified`, `sandbox:bad-key`, `sandbox:no-model`,
`sandbox:bad-image`, `sandbox:bad-mask`, `sandbox:no-download`, `sandbox:server-error`, `sandbox:no-transparency`,
`sandbox:no-streaming`, `sandbox:no-background`, `sandbox:stream-error`, `sandbox:disconnect`, `sandbox:slow`,
`sandbox:text-only`,
`sandbox:incomplete`, `sandbox:forgotten`, `sandbox:call-failed`. Those that refuse a request do so only once for a
prompt with `-once` behind the word, as in `sandbox:rate-limit-once`. In the Responses API the last user message counts.
What each does is in `situations.TRIGGERS`. With tool_choice auto a prompt that ends in a question mark is answered in
words.

Each key is an organization of its own; one that begins with `sk-zdr-` has zero data retention: whatever it asks for is
answered as with `store` false. `app.Sandbox` has `forget` for what is stored, a clock, and a hook that holds drawings.
"""
