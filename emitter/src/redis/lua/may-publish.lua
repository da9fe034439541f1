-- Whether a user of Redis may do all that publishing may have to do: a part of `publish.lua`, and of what tries whether a
-- server could publish. Asked before anything is done, so that nothing stops half-way.

--- The first right that was asked for and is lacking, as the README's rules have it: the command, and what it is for.
local lacks

--- @param where the key or the channel, or ''
--- @return whether the user may
local function may(where, command, ...)
  if redis.acl_check_cmd(command, ...) then
    return true
  end
  lacks = '+' .. string.lower(command)
  if command == 'XINFO' then
    lacks = lacks .. '|' .. string.lower((...))
  end
  local name = string.match(where, '^[^{#]+')
  if name then
    local sign = string.find(command, 'PUBLISH') or string.find(command, 'SUBSCRIBE')
    lacks = lacks .. ' for ' .. (sign and '&' or '~') .. name .. (name == where and '' or '*')
  end
  return false
end

--- @param keys those of `publish.lua`
--- @return whether the user may; where not, `lacks` says why
local function mayPublish(verb, channel, keys)
  local history, log, older, epochs, once, announced, heavy = unpack(keys)
  return may(channel, verb, channel, '')
    and may(history, 'XADD', history, '*', 'event', '')
    and may(history, 'XDEL', history, '0-1')
    and may(history, 'XREVRANGE', history, '+', '-')
    and may(history, 'XINFO', 'STREAM', history)
    and may(history, 'EXISTS', history)
    and may(history, 'PEXPIRE', history, '1')
    and may(history, 'PTTL', history)
    and may(log, 'TYPE', log)
    and may(log, 'GET', log)
    and may(log, 'GETRANGE', log, '0', '0')
    and may(log, 'APPEND', log, '')
    and may(older, 'RENAME', log, older)
    and may(older, 'GET', older)
    and may(epochs, 'SET', epochs, '')
    and may(once, 'ZADD', once, '0', '')
    and may(once, 'ZSCORE', once, '')
    and may(once, 'ZCARD', once)
    and may(once, 'ZREMRANGEBYRANK', once, '0', '0')
    and may(announced, 'SET', announced, '')
    and may(history, 'XTRIM', history, 'MINID', '0-1')
    and may(heavy, 'ZRANGE', heavy, '-1', '-1')
    and may(heavy, 'ZRANGEBYSCORE', heavy, '0', '0')
    and may(heavy, 'ZREMRANGEBYSCORE', heavy, '0', '0')
    and may(heavy, 'ZADD', heavy, '0', '')
    and may(log, 'DEL', log, older, epochs, once, announced, heavy)
    and may('', 'INFO', 'replication')
    and may('', 'TIME')
end
