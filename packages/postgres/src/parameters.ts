import { Secret, UsageError } from '@imhotep/base'

/** The protocol counts to 65,535; the driver throws at 65,534, when it has noted the statement as sent. */
const maxParameters = 65_533

/**
 * Turns the parameters of a statement into the text form that PostgreSQL reads; the server decides their types. Arrays
 * become PostgreSQL arrays, or JSON where the statement wants json; objects become JSON; text is sent as it is, also for
 * json. It is done before anything is sent: a value that cannot be encoded must not disturb statements under way.
 * @throws UsageError for more than 65,533 values, undefined, invalid dates, functions, symbols and secrets; the value is not repeated
 */
export function encodeParameters(params: readonly unknown[]): (string | EncodedArray | null)[] {
  if (params.length > maxParameters) {
    throw new UsageError(`the statement has ${params.length} parameters; ${maxParameters} can be sent`, {
      hint: 'send the values as arrays and unnest them, or divide them among several statements',
    })
  }
  return params.map((value, index) => {
    if (value === undefined) throw refuse(index, 'undefined', 'send null when there is no value')
    return encode(value, index)
  })
}

/** An array in both spellings: the driver asks for one of them when the server has told the parameter's type. */
export class EncodedArray extends Array<string | EncodedArray | null> {
  json = '[]'

  override toString(): string {
    return `{${Array.from(this, literalElement).join(',')}}`
  }
}

function encode(value: unknown, index: number): string | EncodedArray | null {
  if (value === null) return null
  if (typeof value === 'string') return encodeText(value, index)
  if (typeof value === 'boolean' || typeof value === 'number' || typeof value === 'bigint') return String(value)
  if (typeof value !== 'object') throw refuse(index, `a ${typeof value}`, 'send plain data')
  if (value instanceof Date) return encodeDate(value, index)
  if (value instanceof Secret) throw refuse(index, 'a secret', 'call reveal() where the value is used')
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString('hex')}`
  if (Array.isArray(value)) return encodeArray(value, index)
  return encodeJson(value, index)
}

function encodeText(value: string, index: number): string {
  if (value.includes('\0')) throw refuse(index, 'text with a zero byte', 'PostgreSQL cannot store U+0000: remove it')
  return value
}

function encodeDate(value: Date, index: number): string {
  if (Number.isNaN(value.getTime())) throw refuse(index, 'an invalid date', 'send a date that exists')
  if (Math.abs(value.getTime()) === 8.64e15) return value.getTime() > 0 ? 'infinity' : '-infinity'
  return value.toISOString()
}

function encodeArray(values: readonly unknown[], index: number): EncodedArray {
  const encoded = new EncodedArray()
  for (const value of values) {
    if (value === undefined) throw refuse(index, 'an array with undefined in it', 'send null when there is no value')
    encoded.push(encode(value, index))
  }
  encoded.json = encodeJson(values, index)
  return encoded
}

function encodeJson(value: object, index: number): string {
  try {
    return JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'bigint' ? jsonInteger(inner) : inner))
  } catch (cause) {
    throw refuse(index, 'an object that is not JSON', 'send plain data without cycles', cause)
  }
}

/** JSON.stringify has no integers beyond 2^53; as text the digits survive. */
function jsonInteger(value: bigint): number | string {
  return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
}

function literalElement(value: string | EncodedArray | null): string {
  if (value === null) return 'NULL'
  if (typeof value !== 'string') return value.toString()
  return `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}

function refuse(index: number, what: string, hint: string, cause?: unknown): UsageError {
  return new UsageError(`parameter $${index + 1} is ${what}`, { hint, ...(cause === undefined ? {} : { cause }) })
}
