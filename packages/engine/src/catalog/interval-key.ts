const UNITS: Record<string, [months: number, days: number, microseconds: number]> = {
  year: [12, 0, 0],
  mon: [1, 0, 0],
  month: [1, 0, 0],
  week: [0, 7, 0],
  day: [0, 1, 0],
  hour: [0, 0, 3_600_000_000],
  minute: [0, 0, 60_000_000],
  min: [0, 0, 60_000_000],
  second: [0, 0, 1_000_000],
  sec: [0, 0, 1_000_000],
}

const PART = /([+-]?\d+(?:\.\d+)?)\s*([a-z]+)|([+-]?)(\d+):(\d{2})(?::(\d{2}(?:\.\d+)?))?|\s+/giy

/** One text for all spellings of an interval (`90 minutes`, `01:30:00`); a spelling that is not known stays as it is. */
export function intervalKey(text: string): string {
  let [months, days, microseconds] = [0, 0, 0]
  let at = 0
  for (const match of text.matchAll(PART)) {
    at = match.index + match[0].length
    const [, amount, unit, sign, hours, minutes, seconds] = match
    if (amount !== undefined && unit !== undefined) {
      const size = UNITS[unit.toLowerCase()] ?? UNITS[unit.toLowerCase().replace(/s$/, '')]
      if (!size) return text
      months += Number(amount) * size[0]
      days += Number(amount) * size[1]
      microseconds += Number(amount) * size[2]
    } else if (hours !== undefined) {
      const clock = (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds ?? 0)) * 1_000_000
      microseconds += sign === '-' ? -clock : clock
    }
  }
  return at === text.length && text.trim() !== '' ? `${months} months ${days} days ${microseconds} us` : text
}
