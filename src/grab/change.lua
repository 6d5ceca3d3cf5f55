#!lua flags=allow-oom
-- change.lua: change a sale: its total, its limit, its times, or whether it sells.
--
-- One script, because what may be changed depends on what has been granted and on whether the sale is open, and a
-- grab could come in between. Values are absolute, and carry the change's id and a version: a change that is sent
-- twice, or late, by somebody who finishes what another has left, does nothing the second time. The id alone tells
-- that the sale has this change. One that is refused uses up its version here, so that it stays refused when it comes
-- again and would fit by then; whoever comes with it late is told why it cannot be, as long as that is so. The gate is asked,
-- because a Redis that recovery has not looked at may be about to be replaced. It runs on a Redis that is full as well:
-- it adds a few fields at most, and a sale that must stop must stop.
--
-- KEYS   1 gate (hash)   2 sale (hash)
-- ARGV   1 epoch   2 version of the sale once the change is made or refused   3 id of the change
--        4 the epoch that the change is bound to, or ""
--        5 what it demands: "", "unopened", or "untouched" (unopened and nothing granted)
--        6.. fields and values; "" removes a field
-- Reply  "fenced", "missing" (the sale is not here), "same" (this change is the last that was made), "superseded"
--        (decided before, and nothing would be against it now), "stale" (bound to another epoch), "opened", "granted",
--        "below 17" (so many are held, and the new total is less), "applied"
local gate, sale = KEYS[1], KEYS[2]
local epoch, version, change, bound, demand = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local FIRST = 6

local at_gate = redis.call("HMGET", gate, "epoch", "state")
if at_gate[1] ~= epoch or at_gate[2] ~= "open" then return "fenced" end
if redis.call("TYPE", sale).ok ~= "hash" then return "missing" end

local facts = redis.call("HMGET", sale, "state", "total", "granted", "returned", "opens", "version",
  "change")
if not facts[1] then return "missing" end
if facts[7] == change then return "same" end
-- Decided already. If it was made, MySQL knows; if not, the answer is why not.
local late = tonumber(facts[6] or "0") >= tonumber(version)

local function refuse(reason)
  if not late then redis.call("HSET", sale, "version", version) end
  return reason
end
if bound ~= "" and bound ~= epoch then return refuse("stale") end

-- Redis's clock decides whether a sale is open, here as for grabs.
local opens = tonumber(facts[5] or "0")
local time = redis.call("TIME")
if demand ~= "" and time[1] * 1000 + math.floor(time[2] / 1000) >= opens then return refuse("opened") end
if demand == "untouched" and facts[3] ~= "0" then return refuse("granted") end

-- A counter that is no number lets nothing be lowered: it counts as infinite.
local function count(text) return tonumber(text) or math.huge end
local active = count(facts[3]) - (tonumber(facts[4]) or 0)
for i = FIRST, #ARGV, 2 do
  if ARGV[i] == "total" and tonumber(ARGV[i + 1]) < count(facts[2])
    and not (active <= tonumber(ARGV[i + 1])) then
    return refuse("below " .. string.format("%.0f", active))
  end
end

if late then return "superseded" end
for i = FIRST, #ARGV, 2 do
  if ARGV[i + 1] == "" then redis.call("HDEL", sale, ARGV[i])
  else redis.call("HSET", sale, ARGV[i], ARGV[i + 1]) end
end
redis.call("HSET", sale, "version", version, "change", change)
return "applied"
