-- The database of a home folder as release 0.1.0 before revision 0002 left it: three finished threads, a call whose
-- connection broke off, one that was lost with its server, and one that was running when its server was killed.
BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE images (
	image_id TEXT NOT NULL, 
	thread_id TEXT NOT NULL, 
	turn INTEGER NOT NULL, 
	"index" INTEGER NOT NULL, 
	role TEXT NOT NULL, 
	frame INTEGER, 
	"key" TEXT NOT NULL, 
	mime_type TEXT NOT NULL, 
	width INTEGER NOT NULL, 
	height INTEGER NOT NULL, 
	bytes BIGINT NOT NULL, 
	sha256 TEXT NOT NULL, 
	call_id TEXT, 
	revised_prompt TEXT, 
	action TEXT, 
	created_at BIGINT NOT NULL, 
	CONSTRAINT pk_images PRIMARY KEY (image_id), 
	CONSTRAINT fk_images_thread_id_turn_turns FOREIGN KEY(thread_id, turn) REFERENCES turns (thread_id, number)
);
INSERT INTO "images" VALUES('img_1fd2e357edc9f1eccb59b0a0088edb8a','thr_dc5c797e27c9885e25c2ae563dd019cd',1,0,'final',NULL,'thr_dc5c797e27c9885e25c2ae563dd019cd/001-1-img_1fd2e357edc9f1eccb59b0a0088edb8a.png','image/png',1024,640,54303,'ae6e94a0ad2dd494039ebbc8438018b61d7007a22b14d97dea26fb39d124bf47',NULL,NULL,NULL,1795256441645190);
INSERT INTO "images" VALUES('img_23fc9e4a500f688b7f0f836c4d5cd4df','thr_dc5c797e27c9885e25c2ae563dd019cd',1,1,'final',NULL,'thr_dc5c797e27c9885e25c2ae563dd019cd/001-2-img_23fc9e4a500f688b7f0f836c4d5cd4df.png','image/png',1024,640,63734,'9c42a090d11da4112b0405092f2337d20d778f24aa44661715f1e58a4bc05a58',NULL,NULL,NULL,1795256441668975);
INSERT INTO "images" VALUES('img_a66551ae2614b6ae5ee5eb371604b041','thr_dc5c797e27c9885e25c2ae563dd019cd',2,0,'frame',0,'thr_dc5c797e27c9885e25c2ae563dd019cd/002-1-frame1-img_a66551ae2614b6ae5ee5eb371604b041.png','image/png',1024,640,191220,'1992b305d374febc84151c89c10cbdfe90cfe3606955d3ecad5d5e241dfec92a',NULL,NULL,NULL,1795256442238465);
INSERT INTO "images" VALUES('img_58416b198c4f754e4a015667e0c0d549','thr_dc5c797e27c9885e25c2ae563dd019cd',2,0,'frame',1,'thr_dc5c797e27c9885e25c2ae563dd019cd/002-1-frame2-img_58416b198c4f754e4a015667e0c0d549.png','image/png',1024,640,182925,'aa5a7e6d57d877a6e0146749a355d4bd1228496dc58e5c071e4ee52a8772a73a',NULL,NULL,NULL,1795256442262882);
INSERT INTO "images" VALUES('img_d914d0ed72fb50795ceb8ed38218f8c2','thr_dc5c797e27c9885e25c2ae563dd019cd',2,0,'final',NULL,'thr_dc5c797e27c9885e25c2ae563dd019cd/002-1-img_d914d0ed72fb50795ceb8ed38218f8c2.png','image/png',1024,640,77551,'2fc2416618f422f726b027fd05ca1b03454443d9be1f964a7c9c4bb088c51e82','ig_71cd9ffa4470c0431b855fa38c9da441c85a098c9077486410','add a sailing boat. Keep the rest of the given picture; tint it towards the colours of clear night.','edit',1795256442292377);
INSERT INTO "images" VALUES('img_4320036d66b10003cd01893761c6abfc','thr_dc5c797e27c9885e25c2ae563dd019cd',4,0,'final',NULL,'thr_dc5c797e27c9885e25c2ae563dd019cd/004-1-img_4320036d66b10003cd01893761c6abfc.png','image/png',1024,640,87397,'3df4d6c692fa74d6a7de7800b2b60aa310644349730b4f6a0360ad6232d37801','ig_6d0513cbcc2c92bb077ab4dff9a328b0a6497e0d9c9e0472f3','in winter instead. Keep the rest of the given picture; tint it towards the colours of desert noon.','edit',1795256442693306);
INSERT INTO "images" VALUES('img_2efd93799acb8ffef92646bca8fa13c0','thr_e2ce663704ce94305cd24a1dda6f9f09',1,0,'final',NULL,'thr_e2ce663704ce94305cd24a1dda6f9f09/001-1-img_2efd93799acb8ffef92646bca8fa13c0.webp','image/webp',1024,640,84192,'6227cbed219d2ab48badd0426d03a8962d7852f87f873b43a3023b171f0537c6',NULL,NULL,NULL,1795256443090115);
CREATE TABLE ledger_entries (
	entry_id INTEGER NOT NULL, 
	owner TEXT NOT NULL, 
	client TEXT, 
	thread_id TEXT, 
	turn INTEGER, 
	operation TEXT NOT NULL, 
	provider TEXT NOT NULL, 
	api TEXT NOT NULL, 
	model TEXT NOT NULL, 
	host_model TEXT, 
	status TEXT NOT NULL, 
	low_nano BIGINT, 
	expected_nano BIGINT, 
	high_nano BIGINT, 
	nano BIGINT, 
	basis TEXT, 
	prices_as_of DATE, 
	tokens JSON, 
	request_id TEXT, 
	reason TEXT, 
	created_at BIGINT NOT NULL, 
	closed_at BIGINT, 
	CONSTRAINT pk_ledger_entries PRIMARY KEY (entry_id)
);
INSERT INTO "ledger_entries" VALUES(1,'local','mcp','thr_dc5c797e27c9885e25c2ae563dd019cd',1,'generate','openai','image','gpt-image-2',NULL,'settled',6475000,6475000,6475000,6475000,'billed','2026-10-14','{"image_model": {"text_input": 11, "image_output": 214}}','req_c47ce5fc77b19e2fec42dff505a082ebf828c55c03af591861',NULL,1795256440985241,1795256441679868);
INSERT INTO "ledger_entries" VALUES(2,'local','mcp','thr_dc5c797e27c9885e25c2ae563dd019cd',2,'continue','openai','responses','gpt-image-2','gpt-5.4','settled',4536250,27902500,66242500,22772500,'billed','2026-10-14','{"image_model": {"text_input": 12, "image_input": 640, "image_output": 307}, "host_model": {"text_input": 2189, "text_output": 194}}','req_ca1ad38cabb89fd10a191835497b8e25d66a79c0fe88005004',NULL,1795256441921710,1795256442318145);
INSERT INTO "ledger_entries" VALUES(3,'local','mcp','thr_dc5c797e27c9885e25c2ae563dd019cd',3,'continue','openai','responses','gpt-image-2','gpt-5.4','settled',4562500,21940000,60280000,7305000,'billed','2026-10-14','{"image_model": {}, "host_model": {"text_input": 1914, "text_output": 168}}','req_72ff2a93cba3d8f21257c689213ac5a090a86d0c2cf5d8939d',NULL,1795256442415031,1795256442425636);
INSERT INTO "ledger_entries" VALUES(4,'local','mcp','thr_dc5c797e27c9885e25c2ae563dd019cd',4,'continue','openai','responses','gpt-image-2','gpt-5.4','settled',4536250,21902500,60242500,15862500,'billed','2026-10-14','{"image_model": {"text_input": 12, "image_input": 640, "image_output": 107}, "host_model": {"text_input": 1939, "text_output": 175}}','req_97bd868fe183b96fc8532c5845a7e2a52226f7a2c2b3abfa1b',NULL,1795256442448331,1795256442713535);
INSERT INTO "ledger_entries" VALUES(5,'local','mcp','thr_e2ce663704ce94305cd24a1dda6f9f09',1,'edit','openai','image','gpt-image-2',NULL,'settled',8390000,8390000,8390000,8390000,'billed','2026-10-14','{"image_model": {"text_input": 12, "image_input": 640, "image_output": 107}}','req_2efa24fc646e6ae56e88f9771c230594f1ec7f6286686e0d9d',NULL,1795256442796472,1795256443113425);
INSERT INTO "ledger_entries" VALUES(6,'local','mcp','thr_e2ce663704ce94305cd24a1dda6f9f09',2,'continue','openai','responses','gpt-image-2','gpt-5.4','released',4536250,21902500,60242500,NULL,NULL,NULL,NULL,NULL,'moderation_blocked: the provider''s safety system refused the prompt or an input image (violence)',1795256443239440,1795256443262401);
INSERT INTO "ledger_entries" VALUES(7,'local','mcp','thr_90c7a053aca4cb743c18b92a2bd2499d',1,'generate','openai','image','gpt-image-2',NULL,'settled',3275000,3275000,3275000,3275000,'estimated','2026-10-14','{}',NULL,NULL,1795256443286964,1795256443447417);
INSERT INTO "ledger_entries" VALUES(8,'local','raw','thr_786e03752d68a3ec048fcad722cccba4',1,'generate','openai','image','gpt-image-2',NULL,'settled',3265000,3265000,3265000,3265000,'estimated','2026-10-14','{}',NULL,NULL,1795256445587578,1795256447620178);
INSERT INTO "ledger_entries" VALUES(9,'local','raw','thr_306547b9534d68ef4c410aa212144c66',1,'generate','openai','image','gpt-image-2',NULL,'reserved',3270000,3270000,3270000,NULL,NULL,NULL,NULL,NULL,NULL,1795256449743376,NULL);
CREATE TABLE threads (
	thread_id TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	label TEXT, 
	title TEXT NOT NULL, 
	provider TEXT NOT NULL, 
	last_turn INTEGER NOT NULL, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	CONSTRAINT pk_threads PRIMARY KEY (thread_id)
);
INSERT INTO "threads" VALUES('thr_dc5c797e27c9885e25c2ae563dd019cd','local','mcp','a lighthouse at dusk','openai',4,1795256440985241,1795256442713535);
INSERT INTO "threads" VALUES('thr_e2ce663704ce94305cd24a1dda6f9f09','local','mcp','put a bridge across','openai',2,1795256442796472,1795256443262401);
INSERT INTO "threads" VALUES('thr_90c7a053aca4cb743c18b92a2bd2499d','local','mcp','a mill, sandbox:disconnect','openai',1,1795256443286964,1795256443447417);
INSERT INTO "threads" VALUES('thr_786e03752d68a3ec048fcad722cccba4','local','raw','a well in a garden','openai',1,1795256445587578,1795256447620178);
INSERT INTO "threads" VALUES('thr_306547b9534d68ef4c410aa212144c66','local','raw','a windmill by the sea','openai',1,1795256449743376,1795256449743376);
CREATE TABLE turns (
	thread_id TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	prompt TEXT NOT NULL, 
	status TEXT NOT NULL, 
	from_image TEXT, 
	provider TEXT NOT NULL, 
	api TEXT NOT NULL, 
	model TEXT NOT NULL, 
	host_model TEXT, 
	options JSON NOT NULL, 
	resolved JSON, 
	text TEXT, 
	error JSON, 
	response_id TEXT, 
	request_id TEXT, 
	estimate_nano BIGINT, 
	cost_nano BIGINT, 
	cost_basis TEXT, 
	prices_as_of DATE, 
	usage JSON, 
	warnings JSON NOT NULL, 
	owner_process TEXT NOT NULL, 
	lease_until BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	finished_at BIGINT, 
	CONSTRAINT pk_turns PRIMARY KEY (thread_id, number), 
	CONSTRAINT fk_turns_thread_id_threads FOREIGN KEY(thread_id) REFERENCES threads (thread_id)
);
INSERT INTO "turns" VALUES('thr_dc5c797e27c9885e25c2ae563dd019cd',1,'generate','a lighthouse at dusk','completed',NULL,'openai','image','gpt-image-2',NULL,'{"model": null, "size": "1024x640", "quality": "low", "background": "auto", "output_format": "png", "output_compression": null, "moderation": "auto", "partial_images": 0, "extra": null, "save_to": null, "max_cost_usd": null, "n": 2}','{"size": "1024x640", "quality": "low", "background": "opaque", "output_format": "png"}',NULL,NULL,NULL,'req_c47ce5fc77b19e2fec42dff505a082ebf828c55c03af591861',6475000,6475000,'billed','2026-10-14','{"image_model": {"text_input": 11, "image_output": 214}}','[]','laptop:10893:b122c9e9',1795256500985241,1795256440985241,1795256441679868);
INSERT INTO "turns" VALUES('thr_dc5c797e27c9885e25c2ae563dd019cd',2,'continue','add a sailing boat','completed','img_1fd2e357edc9f1eccb59b0a0088edb8a','openai','responses','gpt-image-2','gpt-5.4','{"model": null, "size": "1024x640", "quality": "low", "background": "auto", "output_format": "png", "output_compression": null, "moderation": "auto", "partial_images": 2, "extra": null, "save_to": null, "max_cost_usd": null, "from_image": "img_1fd2e357edc9f1eccb59b0a0088edb8a", "action": "auto", "history": "image", "input_fidelity": null}','{"size": "1024x640", "quality": "low", "background": "opaque", "output_format": "png"}',NULL,NULL,'resp_23f01d6c01f0166ec5eff142b14ac2734e460847e6b60a577f','req_ca1ad38cabb89fd10a191835497b8e25d66a79c0fe88005004',27902500,22772500,'billed','2026-10-14','{"image_model": {"text_input": 12, "image_input": 640, "image_output": 307}, "host_model": {"text_input": 2189, "text_output": 194}}','[]','laptop:10893:b122c9e9',1795256501921710,1795256441921710,1795256442318145);
INSERT INTO "turns" VALUES('thr_dc5c797e27c9885e25c2ae563dd019cd',3,'continue','make it a painting, sandbox:text-only','text_only','img_d914d0ed72fb50795ceb8ed38218f8c2','openai','responses','gpt-image-2','gpt-5.4','{"model": null, "size": "1024x640", "quality": "low", "background": "auto", "output_format": "png", "output_compression": null, "moderation": "auto", "partial_images": 0, "extra": null, "save_to": null, "max_cost_usd": null, "from_image": null, "action": "auto", "history": "image", "input_fidelity": null}','{}','The sandbox answers in words and drew nothing. It was asked: make it a painting, sandbox:text-only',NULL,'resp_257a4a0aff30fd0d05c5f0ea69e082020376baf3e3c9349650','req_72ff2a93cba3d8f21257c689213ac5a090a86d0c2cf5d8939d',21940000,7305000,'billed','2026-10-14','{"image_model": {}, "host_model": {"text_input": 1914, "text_output": 168}}','[]','laptop:10893:b122c9e9',1795256502415031,1795256442415031,1795256442425636);
INSERT INTO "turns" VALUES('thr_dc5c797e27c9885e25c2ae563dd019cd',4,'continue','in winter instead','completed','img_23fc9e4a500f688b7f0f836c4d5cd4df','openai','responses','gpt-image-2','gpt-5.4','{"model": null, "size": "1024x640", "quality": "low", "background": "auto", "output_format": "png", "output_compression": null, "moderation": "auto", "partial_images": 0, "extra": null, "save_to": null, "max_cost_usd": null, "from_image": "img_23fc9e4a500f688b7f0f836c4d5cd4df", "action": "auto", "history": "image", "input_fidelity": null}','{"size": "1024x640", "quality": "low", "background": "opaque", "output_format": "png"}',NULL,NULL,'resp_49fa00788fa067e2f75fde7fd00fe7c736ae620540b0d0087f','req_97bd868fe183b96fc8532c5845a7e2a52226f7a2c2b3abfa1b',21902500,15862500,'billed','2026-10-14','{"image_model": {"text_input": 12, "image_input": 640, "image_output": 107}, "host_model": {"text_input": 1939, "text_output": 175}}','[]','laptop:10893:b122c9e9',1795256502448331,1795256442448331,1795256442713535);
INSERT INTO "turns" VALUES('thr_e2ce663704ce94305cd24a1dda6f9f09',1,'edit','put a bridge across','completed',NULL,'openai','image','gpt-image-2',NULL,'{"model": null, "size": "1024x640", "quality": "low", "background": "auto", "output_format": "webp", "output_compression": null, "moderation": "auto", "partial_images": 0, "extra": null, "save_to": null, "max_cost_usd": null, "input_fidelity": null, "n": 1}','{"size": "1024x640", "quality": "low", "background": "opaque", "output_format": "webp"}',NULL,NULL,NULL,'req_2efa24fc646e6ae56e88f9771c230594f1ec7f6286686e0d9d',8390000,8390000,'billed','2026-10-14','{"image_model": {"text_input": 12, "image_input": 640, "image_output": 107}}','[]','laptop:10893:b122c9e9',1795256502796472,1795256442796472,1795256443113425);
INSERT INTO "turns" VALUES('thr_e2ce663704ce94305cd24a1dda6f9f09',2,'continue','sandbox:moderation','failed','img_2efd93799acb8ffef92646bca8fa13c0','openai','responses','gpt-image-2','gpt-5.4','{"model": null, "size": "1024x640", "quality": "low", "background": "auto", "output_format": "png", "output_compression": null, "moderation": "auto", "partial_images": 0, "extra": null, "save_to": null, "max_cost_usd": null, "from_image": null, "action": "auto", "history": "image", "input_fidelity": null}','{}',NULL,'{"code": "moderation_blocked", "sentence": "the provider''s safety system refused the prompt or an input image (violence)", "fix": "reword the prompt or change the images; if the refusal is wrong, write to help.openai.com with the request id", "request_id": "req_63f05c7243ed63db12b2410545c5453911731817dad717ba44", "may_be_billed": false}',NULL,'req_63f05c7243ed63db12b2410545c5453911731817dad717ba44',21902500,NULL,NULL,'2026-10-14',NULL,'[]','laptop:10893:b122c9e9',1795256503239440,1795256443239440,1795256443262401);
INSERT INTO "turns" VALUES('thr_90c7a053aca4cb743c18b92a2bd2499d',1,'generate','a mill, sandbox:disconnect','failed',NULL,'openai','image','gpt-image-2',NULL,'{"model": null, "size": "1024x640", "quality": "low", "background": "auto", "output_format": "png", "output_compression": null, "moderation": "auto", "partial_images": 0, "extra": null, "save_to": null, "max_cost_usd": null, "n": 1}','{}',NULL,'{"code": "upstream_timeout", "sentence": "the connection to http://127.0.0.1:34021 ended before its answer did", "fix": "try again only if the image is still wanted: the first request may be billed too", "request_id": "req_2b5afc5ffdb008f73c484eed8948e142d97b7d5892294374a2", "may_be_billed": true}',NULL,'req_2b5afc5ffdb008f73c484eed8948e142d97b7d5892294374a2',3275000,3275000,'estimated','2026-10-14','{}','[]','laptop:10893:b122c9e9',1795256503286964,1795256443286964,1795256443447417);
INSERT INTO "turns" VALUES('thr_786e03752d68a3ec048fcad722cccba4',1,'generate','a well in a garden','lost',NULL,'openai','image','gpt-image-2',NULL,'{"model": null, "size": "1024x640", "quality": "low", "background": "auto", "output_format": "png", "output_compression": null, "moderation": "auto", "partial_images": 0, "extra": null, "save_to": null, "max_cost_usd": null, "n": 1}',NULL,NULL,'{"code": "upstream_timeout", "sentence": "the server ended while the call ran; the image may have been made and billed", "fix": "ask again if the image is still wanted", "request_id": null, "may_be_billed": true}',NULL,NULL,3265000,3265000,'estimated','2026-10-14',NULL,'[]','laptop:10997:dcd6213a',1795256445587578,1795256445587578,1795256447620178);
INSERT INTO "turns" VALUES('thr_306547b9534d68ef4c410aa212144c66',1,'generate','a windmill by the sea','in_progress',NULL,'openai','image','gpt-image-2',NULL,'{"model": null, "size": "1024x640", "quality": "low", "background": "auto", "output_format": "png", "output_compression": null, "moderation": "auto", "partial_images": 0, "extra": null, "save_to": null, "max_cost_usd": null, "n": 1}',NULL,NULL,NULL,NULL,NULL,3270000,NULL,NULL,'2026-10-14',NULL,'[]','laptop:11096:cb9a31e8',1795256509743376,1795256449743376,NULL);
CREATE INDEX ix_threads_owner_updated_at ON threads (owner, updated_at);
CREATE INDEX ix_ledger_entries_owner_created_at ON ledger_entries (owner, created_at);
CREATE INDEX ix_images_thread_id_turn ON images (thread_id, turn);
COMMIT;
