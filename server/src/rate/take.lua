-- Takes a cost from the bucket KEYS[1], all of it or nothing, and keeps what is missing from it since when.
-- ARGV: what a full bucket holds, how long it takes to fill in microseconds, the cost, and how many drops the
-- server that asks knows to be missing. A unit of cost is as many drops as the filling has microseconds, so that
-- each microsecond gives back as many drops as the bucket holds units: whole numbers below 2^53.
-- Returns the drops that are missing now, and by how many there were too few.
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local cost, known = tonumber(ARGV[3]), tonumber(ARGV[4])
local full = limit * window
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

local missing = 0
local kept = redis.call('GET', KEYS[1])
if kept then
  local drops, at = string.match(kept, '^(%d+) (%d+)$')
  -- A clock that went back gives nothing back.
  local passed = math.min(math.max(now - tonumber(at), 0), window)
  missing = math.max(tonumber(drops) - passed * limit, 0)
end
-- After an outage, or when this store forgot, the servers still know.
missing = math.min(math.max(missing, known), full)

local price = math.min(cost, limit) * window
local over = math.max(price - (full - missing), 0)
if over == 0 then
  missing = missing + price
end
if missing == 0 then
  redis.call('DEL', KEYS[1])
else
  -- A full bucket need not be kept.
  local text = string.format('%.0f %.0f', missing, now)
  redis.call('SET', KEYS[1], text, 'PX', math.ceil(missing / limit / 1000) + 1)
end
return { missing, over }
