ALTER TABLE `refresh_tokens` ADD `since` datetime(3);--> statement-breakpoint
UPDATE `refresh_tokens` JOIN `users` ON `users`.`id` = `user_id` SET `since` = `tokens_valid_from` WHERE `issued_at` >= `tokens_valid_from`;
