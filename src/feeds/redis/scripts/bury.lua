-- Adds samples of what could not be read to the dead letters and keeps the newest, within both bounds.
-- KEYS: the list; ARGV: most entries, most bytes, then the samples, oldest first
local most, bytes = tonumber(ARGV[1]), 0
redis.call('LTRIM', KEYS[1], 0, most - 1)
redis.call('LPUSH', KEYS[1], unpack(ARGV, 3))
local kept = redis.call('LRANGE', KEYS[1], 0, most - 1)
for index = 1, #kept do
  bytes = bytes + #kept[index]
  if bytes > tonumber(ARGV[2]) then
    most = index - 1
    break
  end
end
if most == 0 then redis.call('DEL', KEYS[1]) else redis.call('LTRIM', KEYS[1], 0, most - 1) end
return #kept
