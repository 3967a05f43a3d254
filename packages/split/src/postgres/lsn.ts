import type { Position } from '../model.ts'

/** `16/B374D848`: the high and the low half of a place in the log, hexadecimal. */
export function lsnToNumber(position: Position): bigint {
  const [high = '0', low = '0'] = position.split('/')
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`)
}

export function numberToLsn(number: bigint): Position {
  return `${(number >> 32n).toString(16).toUpperCase()}/${(number & 0xffffffffn).toString(16).toUpperCase()}`
}

export function compareLsn(a: Position, b: Position): number {
  const difference = lsnToNumber(a) - lsnToNumber(b)
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}
