const TIME = /^(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d(?:\.\d+)?))?)?([+-]\d\d(?::?\d\d)?|Z)?$/

/** One text for all spellings of a date or time (`2020-01-01`, `2020-01-01 00:00:00+00`); other texts stay as they are. */
export function timeKey(text: string): string {
  const match = TIME.exec(text)
  if (!match) return text
  const [, year, month, day, hour = '00', minute = '00', second = '0', zone = '+00'] = match
  const [, sign = '+', hours = '0', minutes = '0'] = /^([+-])(\d\d):?(\d\d)?$/.exec(zone) ?? []
  const offset = (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes))
  const date = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute))
  return `${date - offset * 60_000} ms ${Number(second)} s`
}
