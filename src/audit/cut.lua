#!lua flags=no-writes
-- cut.lua: one moment of a shard and of some of its sales.
--
-- One script, because the audit compares these with each other: a counter of one moment and a hash of the
-- next do not agree while a sale runs.
--
-- KEYS   1 gate (hash)   2 ledger (stream)   3 unrecorded (set)   4.. sales and their winners, two keys each
-- ARGV   1.. ids of the sales
-- Reply  {gate's epoch, gate's state, ids of the stream's first and of its last entry or "", the last id that it has
--        given or "0-0" (its entry may be gone), then 12 per sale: state, total, granted, returned, recorded, limit,
--        opens, closes, rate, version, winners, 1 if it is unrecorded;
--        where one of the two keys is no hash, its state is "" or its winners are nil: the others go on}
local gate, ledger, unrecorded = KEYS[1], KEYS[2], KEYS[3]
local FIRST = 4

local at_gate = redis.call("HMGET", gate, "epoch", "state")
local first, newest, last = "", "", "0-0"
if redis.call("EXISTS", ledger) == 1 then
  local info = redis.call("XINFO", "STREAM", ledger)
  for i = 1, #info, 2 do
    if info[i] == "last-generated-id" then last = info[i + 1] end
    if info[i] == "last-entry" and info[i + 1] then newest = info[i + 1][1] end
  end
  local entries = redis.call("XRANGE", ledger, "-", "+", "COUNT", 1)
  if entries[1] then first = entries[1][1] end
end

local reply = { at_gate[1], at_gate[2], first, newest, last }
for i, sale_id in ipairs(ARGV) do
  local sale, winners = KEYS[FIRST + 2 * i - 2], KEYS[FIRST + 2 * i - 1]
  local facts = redis.pcall("HMGET", sale,
    "state", "total", "granted", "returned", "recorded", "limit", "opens", "closes",
    "rate", "version")
  if facts.err then facts = { "" } end
  for place = 1, 10 do reply[#reply + 1] = facts[place] or false end
  local holders = redis.pcall("HLEN", winners)
  reply[#reply + 1] = type(holders) == "number" and holders
  reply[#reply + 1] = redis.call("SISMEMBER", unrecorded, sale_id)
end
return reply
