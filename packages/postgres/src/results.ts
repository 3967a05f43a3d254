import { UsageError } from '@imhotep/base'
import { parseArray } from './array-parser.ts'
import type { EncodedArray } from './parameters.ts'

// How values travel, by type oid (pg_type.dat: oids below 10,000 never change). Parameters arrive here encoded as text
// (parameters.ts), so serializers pass them on. Arrays of types that the schema itself creates come as text: cast to text[].

type Parse = (text: string) => unknown

interface DriverType {
  readonly to: number
  readonly from: readonly number[]
  readonly serialize?: (value: never) => string
  readonly parse: Parse
}

const asIs = (text: string) => text
const parseBoolean = (text: string) => text === 't'
const parseJson = (text: string): unknown => JSON.parse(text)

/** `infinity` is the last instant that a Date can hold, so that comparisons keep their meaning. */
const lastInstant = 8.64e15

/** Milliseconds of 400 years. */
const cycleMs = 146_097 * 86_400_000

/** As DateStyle ISO writes it, in any zone: local mean time has seconds in its offset. */
const instant = /^(\d{4,6})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d+))?([+-])(\d\d)(?::(\d\d)(?::(\d\d))?)?( BC)?$/

/** What V8 reads as it is meant, in half the time: four digits of which the first is no zero, and minutes at most. */
const usualInstant = /^[1-9]\d{3}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?[+-]\d\d(?::\d\d)?$/

/** Array types by the way their elements are read. Array of box is missing: it is separated by semicolons. */
const arrays: readonly [Parse, readonly number[]][] = [
  [parseBoolean, [1000]],
  [parseBytea, [1001]],
  // int2, int4, oid, float4, float8
  [Number, [1005, 1007, 1028, 1021, 1022]],
  [parseInteger, [1016]],
  [parseJson, [199, 3807]],
  [parseInstant, [1185]],
  // "char", name, text, bpchar, varchar, regproc, tid, xid, cid, aclitem
  [asIs, [1002, 1003, 1009, 1014, 1015, 1008, 1010, 1011, 1012, 1034]],
  // timestamp, date, time, interval, numeric, timetz, bit, varbit, inet, cidr, uuid, xid8, jsonpath
  [asIs, [1115, 1182, 1183, 1187, 1231, 1270, 1561, 1563, 1041, 651, 2951, 271, 4073]],
  // regprocedure, regclass, regtype, regnamespace, regrole, regcollation; ranges and multiranges
  [asIs, [2207, 2210, 2211, 4090, 4097, 4192, 3905, 3907, 3909, 3911, 3913, 3927, 6150, 6151, 6152, 6153, 6155, 6157]],
]

/** The driver's type table: int8 as number while it fits, calendar dates as text (they have no zone), json parsed. */
export const driverTypes: Readonly<Record<string, DriverType>> = {
  boolean: { to: 16, from: [16], serialize: asIs, parse: parseBoolean },
  bytea: { to: 17, from: [17], serialize: asIs, parse: parseBytea },
  int8: { to: 20, from: [20], serialize: asIs, parse: parseInteger },
  json: { to: 114, from: [114, 3802], serialize: toJson, parse: parseJson },
  date: { to: 1082, from: [1082, 1114], serialize: asIs, parse: asIs },
  timestamptz: { to: 1184, from: [1184], serialize: asIs, parse: parseInstant },
  ...Object.fromEntries(
    arrays.flatMap(([parse, oids]) =>
      oids.map((oid) => [`array${oid}`, { to: oid, from: [oid], parse: (text: string) => parseArray(text, parse) }]),
    ),
  ),
}

function parseBytea(text: string): Buffer {
  if (!text.startsWith('\\x')) throw unreadable('a bytea', "set bytea_output to 'hex' for the session")
  return Buffer.from(text.slice(2), 'hex')
}

function parseInteger(text: string): number | string {
  const number = Number(text)
  return Number.isSafeInteger(number) ? number : text
}

function parseInstant(text: string): Date {
  if (text === 'infinity') return new Date(lastInstant)
  if (text === '-infinity') return new Date(-lastInstant)
  if (usualInstant.test(text)) return new Date(text)
  const parts = instant.exec(text)
  if (parts === null) throw unreadable('a timestamptz', "set DateStyle to 'ISO' for the session")
  const [, era, month, day, hour, minute, second, fraction, sign, hours, minutes = 0, seconds = 0, bc] = parts
  const year = bc === undefined ? Number(era) : 1 - Number(era)
  // Date.UTC takes the years 0 to 99 for those of the twentieth century; the calendar repeats itself after 400.
  const cycles = year >= 0 && year < 100 ? 1 : 0
  const ms = fraction === undefined ? 0 : Number(fraction.padEnd(3, '0').slice(0, 3))
  const local =
    Date.UTC(year + 400 * cycles, Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second), ms) -
    cycles * cycleMs
  const offset = (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1000
  const date = new Date(sign === '-' ? local + offset : local - offset)
  if (Number.isNaN(date.getTime())) throw unreadable('a timestamptz beyond the year 275760', 'cast it to text')
  return date
}

/** Thrown while the driver reads a row: the statement fails, the connection stays. */
function unreadable(what: string, hint: string): UsageError {
  return new UsageError(`the server sent ${what} that cannot be read`, { hint })
}

function toJson(value: string | EncodedArray): string {
  return typeof value === 'string' ? value : value.json
}
