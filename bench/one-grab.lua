#!lua
-- one-grab.lua: the base line, a grab as a script of its own, called once for each.
--
-- It reads and writes what one won grab of the service reads and writes, so that the two can be compared:
-- gate and sale, the user's place among the winners, the ledger first, then winner and counter.
--
-- KEYS   1 gate (hash)   2 sale (hash)   3 winners (hash)   4 ledger (stream)   5 unrecorded (set)
-- ARGV   1 epoch   2 sale id   3 user id
-- Reply  the number as text, or "fenced" or "sold_out"
local gate, sale, winners, ledger, unrecorded = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local epoch, sale_id, user = ARGV[1], ARGV[2], ARGV[3]

local at_gate = redis.call("HMGET", gate, "epoch", "state")
if at_gate[1] ~= epoch or at_gate[2] ~= "open" then return "fenced" end
local facts = redis.call("HMGET", sale, "state", "total", "granted", "returned", "recorded", "limit")
local held = redis.call("HGET", winners, user)
if held then return held end
local granted, returned = tonumber(facts[3]), tonumber(facts[4])
if not (granted - returned < tonumber(facts[2])) then return "sold_out" end
local time = redis.call("TIME")
local now = string.format("%d%03d", time[1], math.floor(time[2] / 1000))
local number = string.format("%d", granted + 1)
redis.call("XADD", ledger, "*", "kind", "grant", "sale", sale_id, "epoch", epoch, "at", now,
  "first", number, "users", user, "granted", number, "returned", facts[4])
redis.call("HSET", winners, user, number)
redis.call("HSET", sale, "granted", number)
redis.call("SADD", unrecorded, sale_id)
return number
