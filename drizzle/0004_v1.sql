CREATE TABLE `refresh_tokens` (
	`id` bigint unsigned AUTO_INCREMENT NOT NULL,
	`family` char(36) NOT NULL,
	`generation` int unsigned NOT NULL,
	`user_id` bigint unsigned NOT NULL,
	`access_token_id` char(36) NOT NULL,
	`issued_at` datetime(3) NOT NULL,
	`expires_at` datetime(3) NOT NULL,
	`revoked_at` datetime(3),
	CONSTRAINT `refresh_tokens_id` PRIMARY KEY(`id`),
	CONSTRAINT `refresh_tokens_family` UNIQUE(`family`)
);
--> statement-breakpoint
CREATE TABLE `service_keys` (
	`id` bigint unsigned AUTO_INCREMENT NOT NULL,
	`name` varchar(64) NOT NULL,
	`key_hash` char(64) NOT NULL,
	`created_at` datetime(3) NOT NULL DEFAULT (UTC_TIMESTAMP(3)),
	`revoked_at` datetime(3),
	CONSTRAINT `service_keys_id` PRIMARY KEY(`id`),
	CONSTRAINT `service_keys_hash` UNIQUE(`key_hash`),
	CONSTRAINT `service_keys_name` UNIQUE(`name`)
);
--> statement-breakpoint
CREATE TABLE `coupon_usage_logs` (
	`id` bigint unsigned AUTO_INCREMENT NOT NULL,
	`coupon_id` varchar(41) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
	`action` varchar(16) NOT NULL,
	`order_sn` varchar(64),
	`original_amount` bigint unsigned,
	`discount_amount` bigint unsigned,
	`actor` varchar(64) NOT NULL,
	`at` datetime(3) NOT NULL,
	CONSTRAINT `coupon_usage_logs_id` PRIMARY KEY(`id`)
);
--> statement-breakpoint
CREATE TABLE `coupons` (
	`id` varchar(41) CHARACTER SET ascii COLLATE ascii_bin GENERATED ALWAYS AS (CONCAT(sale_id, '-', grant_no)) VIRTUAL,
	`code` varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
	`user_id` bigint unsigned NOT NULL,
	`sale_id` bigint unsigned NOT NULL,
	`grant_no` bigint unsigned NOT NULL,
	`template_id` bigint unsigned NOT NULL,
	`state` varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'unused',
	`valid_from` datetime(3),
	`expires_at` datetime(3),
	`order_sn` varchar(64),
	`by_service` boolean NOT NULL DEFAULT false,
	`locked_until` datetime(3),
	`reserved` bigint unsigned NOT NULL DEFAULT 0,
	`original_amount` bigint unsigned,
	`discount_amount` bigint unsigned,
	`used_at` datetime(3),
	`granted_at` datetime(3) NOT NULL,
	`due_at` datetime(3) GENERATED ALWAYS AS (IF(state = 'locked', locked_until, expires_at)) STORED,
	CONSTRAINT `coupons_sale_id_grant_no_pk` PRIMARY KEY(`sale_id`,`grant_no`),
	CONSTRAINT `coupons_code` UNIQUE(`code`)
);
--> statement-breakpoint
CREATE TABLE `template_users` (
	`template_id` bigint unsigned NOT NULL,
	`user_id` bigint unsigned NOT NULL,
	`held` int unsigned NOT NULL,
	CONSTRAINT `template_users_template_id_user_id_pk` PRIMARY KEY(`template_id`,`user_id`)
);
--> statement-breakpoint
CREATE TABLE `idempotency_keys` (
	`key_hash` char(64) NOT NULL,
	`request_key` char(36) NOT NULL,
	`fingerprint` char(64) NOT NULL,
	`owner` char(36),
	`busy_until` datetime(3) NOT NULL,
	`status` int unsigned,
	`body` mediumtext,
	`created_at` datetime(3) NOT NULL DEFAULT (UTC_TIMESTAMP(3)),
	CONSTRAINT `idempotency_keys_key_hash` PRIMARY KEY(`key_hash`)
);
--> statement-breakpoint
CREATE TABLE `outbox` (
	`sale_id` bigint unsigned NOT NULL,
	`change_id` char(36) NOT NULL,
	`version` int unsigned NOT NULL,
	`action` varchar(16) NOT NULL,
	`fields_before` json NOT NULL,
	`change_fields` json NOT NULL,
	`epoch` int unsigned,
	`reason` varchar(255) NOT NULL,
	`actor` varchar(64) NOT NULL,
	`request_key` char(36),
	`created_at` datetime(3) NOT NULL DEFAULT (UTC_TIMESTAMP(3)),
	CONSTRAINT `outbox_sale_id` PRIMARY KEY(`sale_id`)
);
--> statement-breakpoint
CREATE TABLE `sale_changes` (
	`id` bigint unsigned AUTO_INCREMENT NOT NULL,
	`sale_id` bigint unsigned NOT NULL,
	`change_id` char(36),
	`version` int unsigned NOT NULL,
	`action` varchar(16) NOT NULL,
	`fields_before` json NOT NULL,
	`fields_after` json NOT NULL,
	`reason` varchar(255) NOT NULL,
	`actor` varchar(64) NOT NULL,
	`request_key` char(36),
	`created_at` datetime(3) NOT NULL DEFAULT (UTC_TIMESTAMP(3)),
	CONSTRAINT `sale_changes_id` PRIMARY KEY(`id`),
	CONSTRAINT `sale_changes_change` UNIQUE(`change_id`),
	CONSTRAINT `sale_changes_version` UNIQUE(`sale_id`,`version`),
	CONSTRAINT `sale_changes_request` UNIQUE(`request_key`)
);
--> statement-breakpoint
ALTER TABLE `sales` ADD `version` int unsigned DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `sales` ADD `change_id` char(36);--> statement-breakpoint
ALTER TABLE `sales` ADD `grabs_per_second` int unsigned;--> statement-breakpoint
ALTER TABLE `sales` ADD `code_key` char(2) DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE `sales` ADD `request_key` char(36);--> statement-breakpoint
ALTER TABLE `templates` ADD `type` varchar(16) DEFAULT 'amount_off' NOT NULL;--> statement-breakpoint
ALTER TABLE `templates` ADD `basis_points` int unsigned;--> statement-breakpoint
ALTER TABLE `templates` ADD `discount_max` bigint unsigned;--> statement-breakpoint
ALTER TABLE `templates` ADD `minimum_spend` bigint unsigned DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `templates` ADD `currency` char(3) DEFAULT 'CNY' NOT NULL;--> statement-breakpoint
ALTER TABLE `templates` ADD `goods` json;--> statement-breakpoint
ALTER TABLE `templates` ADD `categories` json;--> statement-breakpoint
ALTER TABLE `templates` ADD `excluded_goods` json;--> statement-breakpoint
ALTER TABLE `templates` ADD `excluded_categories` json;--> statement-breakpoint
ALTER TABLE `templates` ADD `user_limit` int unsigned;--> statement-breakpoint
ALTER TABLE `templates` ADD `total_count` bigint unsigned;--> statement-breakpoint
ALTER TABLE `templates` ADD `budget` bigint unsigned;--> statement-breakpoint
ALTER TABLE `templates` ADD `budget_reserved` bigint unsigned DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `templates` ADD `budget_spent` bigint unsigned DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `templates` ADD `stacking` varchar(16) DEFAULT 'free' NOT NULL;--> statement-breakpoint
ALTER TABLE `templates` ADD `stacking_group` varchar(32);--> statement-breakpoint
ALTER TABLE `templates` ADD `valid_from` datetime(3);--> statement-breakpoint
ALTER TABLE `templates` ADD `valid_until` datetime(3);--> statement-breakpoint
ALTER TABLE `templates` ADD `valid_days` int unsigned;--> statement-breakpoint
ALTER TABLE `templates` ADD `state` varchar(16) DEFAULT 'published' NOT NULL;--> statement-breakpoint
ALTER TABLE `templates` ADD `version` int unsigned DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE `templates` ADD `request_key` char(36);--> statement-breakpoint
ALTER TABLE `templates` ADD `updated_at` datetime(3);--> statement-breakpoint
ALTER TABLE `users` ADD `tokens_valid_from` datetime(3);--> statement-breakpoint
ALTER TABLE `users` ADD `disabled_at` datetime(3);--> statement-breakpoint
ALTER TABLE `sales` ADD CONSTRAINT `sales_request` UNIQUE(`request_key`);--> statement-breakpoint
ALTER TABLE `templates` ADD CONSTRAINT `templates_request` UNIQUE(`request_key`);--> statement-breakpoint
CREATE INDEX `refresh_tokens_expiry` ON `refresh_tokens` (`expires_at`);--> statement-breakpoint
CREATE INDEX `coupon_usage_logs_coupon` ON `coupon_usage_logs` (`coupon_id`);--> statement-breakpoint
CREATE INDEX `coupons_user` ON `coupons` (`user_id`,`sale_id`,`grant_no`);--> statement-breakpoint
CREATE INDEX `coupons_due` ON `coupons` (`state`,`due_at`);--> statement-breakpoint
CREATE INDEX `idempotency_keys_age` ON `idempotency_keys` (`created_at`);--> statement-breakpoint
CREATE INDEX `sales_template` ON `sales` (`template_id`);--> statement-breakpoint
CREATE INDEX `users_tokens_valid_from` ON `users` (`tokens_valid_from`);