import type { LocalColumn } from './layout.ts'

/**
 * What stands for a date that PostgreSQL does not have, as both servers print it without time zone: null, a text, or
 * undefined when it stops the move.
 */
export function insteadOfZeroDate({ moved, family }: LocalColumn): string | null | undefined {
  if (moved.zeroDate === undefined || !['date', 'datetime', 'timestamp'].includes(family)) return undefined
  if (moved.zeroDate === 'null') return null
  const [, day = '', clock = '00:00:00'] =
    /^(\d+-\d\d-\d\d)(?:[ T](\d\d:\d\d:\d\d))?/.exec(moved.zeroDate.sentinel) ?? []
  return family === 'date' ? day : `${day} ${clock}`
}
