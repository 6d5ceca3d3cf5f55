ALTER TABLE `outbox` ADD `fields_before` json NOT NULL;--> statement-breakpoint
ALTER TABLE `outbox` ADD `epoch` int unsigned;