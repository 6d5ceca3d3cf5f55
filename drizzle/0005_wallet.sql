DROP INDEX `coupons_user` ON `coupons`;--> statement-breakpoint
CREATE INDEX `coupons_lock` ON `coupons` (`state`,`locked_until`);--> statement-breakpoint
CREATE INDEX `coupons_user` ON `coupons` (`user_id`,`sale_id`,`grant_no`);