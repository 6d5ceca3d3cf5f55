CREATE TABLE `coupon_owners` (
	`user_id` bigint unsigned NOT NULL,
	CONSTRAINT `coupon_owners_user_id` PRIMARY KEY(`user_id`)
);
