#!lua
-- warm.lua: put a sale into Redis that was never there.
--
-- Create if absent: a sale that is here keeps its counters, whatever MySQL thinks of them. The gate is
-- asked, because a Redis that recovery has not looked at may be about to be replaced.
--
-- KEYS   1 gate (hash)   2 sale (hash)
-- ARGV   1 epoch   2.. fields and values of the sale
-- Reply  "fenced", "present" or "warmed"
local gate, sale = KEYS[1], KEYS[2]
local epoch = ARGV[1]

local at_gate = redis.call("HMGET", gate, "epoch", "state")
if at_gate[1] ~= epoch or at_gate[2] ~= "open" then return "fenced" end
if redis.call("EXISTS", sale) == 1 then return "present" end
redis.call("HSET", sale, unpack(ARGV, 2))
return "warmed"
