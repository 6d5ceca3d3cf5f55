CREATE INDEX `sales_opens` ON `sales` (`state`,`opens_at`);--> statement-breakpoint
CREATE INDEX `sales_closes` ON `sales` (`state`,`closes_at`);