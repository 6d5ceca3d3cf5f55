CREATE TABLE `dead_letters` (
	`id` bigint unsigned AUTO_INCREMENT NOT NULL,
	`shard` int unsigned NOT NULL,
	`entry_id` varchar(48) NOT NULL,
	`sale_id` bigint unsigned NOT NULL,
	`grant_no` bigint unsigned NOT NULL,
	`reason` varchar(255) NOT NULL,
	`payload` text NOT NULL,
	`created_at` datetime(3) NOT NULL DEFAULT (UTC_TIMESTAMP(3)),
	CONSTRAINT `dead_letters_id` PRIMARY KEY(`id`),
	CONSTRAINT `dead_letters_place` UNIQUE(`shard`,`entry_id`,`sale_id`,`grant_no`)
);
--> statement-breakpoint
CREATE TABLE `grants` (
	`sale_id` bigint unsigned NOT NULL,
	`grant_no` bigint unsigned NOT NULL,
	`user_id` bigint unsigned NOT NULL,
	`user_slot` int unsigned,
	`key_hash` varchar(64),
	`epoch` bigint unsigned NOT NULL,
	`granted_at` datetime(3) NOT NULL,
	`returned_at` datetime(3),
	`state` varchar(16) NOT NULL DEFAULT 'granted',
	CONSTRAINT `grants_sale_id_grant_no_pk` PRIMARY KEY(`sale_id`,`grant_no`),
	CONSTRAINT `grants_user_slot` UNIQUE(`sale_id`,`user_id`,`user_slot`)
);
--> statement-breakpoint
CREATE TABLE `processes` (
	`id` varchar(64) NOT NULL,
	`host` varchar(255) NOT NULL,
	`pid` int unsigned NOT NULL,
	`started_at` datetime(3) NOT NULL,
	`heartbeat_at` datetime(3) NOT NULL,
	CONSTRAINT `processes_id` PRIMARY KEY(`id`)
);
--> statement-breakpoint
CREATE TABLE `recoveries` (
	`id` bigint unsigned AUTO_INCREMENT NOT NULL,
	`shard` int unsigned NOT NULL,
	`epoch_from` bigint unsigned NOT NULL,
	`epoch_to` bigint unsigned NOT NULL,
	`reason` varchar(255) NOT NULL,
	`sales_rebuilt` int unsigned NOT NULL,
	`grants_restored` int unsigned NOT NULL,
	`voids` int unsigned NOT NULL,
	`milliseconds` int unsigned NOT NULL,
	`created_at` datetime(3) NOT NULL DEFAULT (UTC_TIMESTAMP(3)),
	CONSTRAINT `recoveries_id` PRIMARY KEY(`id`)
);
--> statement-breakpoint
CREATE TABLE `shards` (
	`shard` int unsigned NOT NULL,
	`epoch` bigint unsigned NOT NULL DEFAULT 0,
	`incarnation` varchar(32) NOT NULL DEFAULT '',
	`last_id` varchar(48) NOT NULL DEFAULT '0-0',
	`lease_owner` varchar(64),
	`lease_until` datetime(3),
	`connection_id` bigint unsigned,
	CONSTRAINT `shards_shard` PRIMARY KEY(`shard`)
);
--> statement-breakpoint
CREATE TABLE `witnesses` (
	`id` bigint unsigned AUTO_INCREMENT NOT NULL,
	`shard` int unsigned NOT NULL,
	`epoch` bigint unsigned NOT NULL,
	`process_id` varchar(64) NOT NULL,
	`sale_id` bigint unsigned NOT NULL,
	`grant_no` bigint unsigned NOT NULL,
	`user_id` bigint unsigned NOT NULL,
	`user_slot` int unsigned NOT NULL,
	`key_hash` varchar(64),
	`granted_at` datetime(3) NOT NULL,
	CONSTRAINT `witnesses_id` PRIMARY KEY(`id`)
);
--> statement-breakpoint
CREATE TABLE `sales` (
	`id` bigint unsigned AUTO_INCREMENT NOT NULL,
	`seller_id` bigint unsigned NOT NULL,
	`template_id` bigint unsigned NOT NULL,
	`name` varchar(255) NOT NULL,
	`name_key` char(64) NOT NULL,
	`total` bigint unsigned NOT NULL,
	`granted` bigint unsigned NOT NULL DEFAULT 0,
	`returned` bigint unsigned NOT NULL DEFAULT 0,
	`user_limit` bigint unsigned NOT NULL DEFAULT 1,
	`state` varchar(16) NOT NULL DEFAULT 'open',
	`opens_at` datetime(3),
	`closes_at` datetime(3),
	`warmed_at` datetime(3),
	`created_at` datetime(3) NOT NULL DEFAULT (UTC_TIMESTAMP(3)),
	CONSTRAINT `sales_id` PRIMARY KEY(`id`),
	CONSTRAINT `sales_seller_name` UNIQUE(`seller_id`,`name_key`),
	CONSTRAINT `sales_not_oversold` CHECK(`granted` <= `total` + `returned`)
);
--> statement-breakpoint
CREATE TABLE `templates` (
	`id` bigint unsigned AUTO_INCREMENT NOT NULL,
	`seller_id` bigint unsigned NOT NULL,
	`name` varchar(255) NOT NULL,
	`description` varchar(255) NOT NULL,
	`face_value` bigint unsigned NOT NULL,
	`created_at` datetime(3) NOT NULL DEFAULT (UTC_TIMESTAMP(3)),
	CONSTRAINT `templates_id` PRIMARY KEY(`id`)
);
--> statement-breakpoint
CREATE TABLE `users` (
	`id` bigint unsigned AUTO_INCREMENT NOT NULL,
	`username` varchar(64) NOT NULL,
	`name_key` char(64) NOT NULL,
	`kind` varchar(16) NOT NULL,
	`password_hash` varchar(255) NOT NULL,
	`created_at` datetime(3) NOT NULL DEFAULT (UTC_TIMESTAMP(3)),
	CONSTRAINT `users_id` PRIMARY KEY(`id`),
	CONSTRAINT `users_name` UNIQUE(`name_key`)
);
--> statement-breakpoint
CREATE INDEX `grants_user` ON `grants` (`user_id`);--> statement-breakpoint
CREATE INDEX `recoveries_shard` ON `recoveries` (`shard`);--> statement-breakpoint
CREATE INDEX `witnesses_recovery` ON `witnesses` (`shard`,`epoch`,`process_id`);--> statement-breakpoint
CREATE INDEX `sales_warmed` ON `sales` (`warmed_at`);--> statement-breakpoint
CREATE INDEX `templates_seller` ON `templates` (`seller_id`);