ALTER TABLE `refresh_tokens` DROP INDEX `refresh_tokens_hash`;--> statement-breakpoint
ALTER TABLE `refresh_tokens` DROP INDEX `refresh_tokens_generation`;--> statement-breakpoint
DROP INDEX `refresh_tokens_user` ON `refresh_tokens`;--> statement-breakpoint
ALTER TABLE `refresh_tokens` ADD CONSTRAINT `refresh_tokens_family` UNIQUE(`family`);--> statement-breakpoint
CREATE INDEX `users_tokens_valid_from` ON `users` (`tokens_valid_from`);--> statement-breakpoint
ALTER TABLE `refresh_tokens` DROP COLUMN `token_hash`;--> statement-breakpoint
ALTER TABLE `refresh_tokens` DROP COLUMN `rotated_at`;