-- The values of `keys` in a hash, as many from the front as fit `most` bytes, at least one. Of a value longer than
-- `longest` only its beginning is given, and its index in `long`: nobody wants 10 MB of it in memory twice.
local function values_of(hash, keys, longest, most)
  local long, bytes, fit = {}, 0, #keys
  for index = 1, #keys do
    local length = redis.call('HSTRLEN', hash, keys[index])
    bytes = bytes + length
    if index > 1 and bytes > most then
      fit = index - 1
      break
    end
    if length > longest then
      long[#long + 1] = index
    end
  end
  if fit == 0 then
    return 0, {}, long
  end
  if #long == 0 then
    return fit, redis.call('HMGET', hash, unpack(keys, 1, fit)), long
  end
  local values, next_long = {}, 1
  for index = 1, fit do
    if long[next_long] ~= index then
      values[index] = redis.call('HGET', hash, keys[index])
    else
      next_long = next_long + 1
      -- Even to look at it, a value is copied whole.
      local length = redis.call('HSTRLEN', hash, keys[index])
      values[index] = length <= 16777216 and string.sub(redis.call('HGET', hash, keys[index]), 1, 4096) or ''
    end
  end
  return fit, values, long
end

