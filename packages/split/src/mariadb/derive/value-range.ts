import { quoteIdentifier } from '@imhotep/engine'
import type { DerivedColumn } from './derived-table.ts'

const integers: Readonly<Record<string, readonly [low: string, high: string]>> = {
  tinyint: ['-128', '127'],
  mediumint: ['-8388608', '8388607'],
  'tinyint unsigned': ['0', '255'],
  'smallint unsigned': ['0', '65535'],
  'mediumint unsigned': ['0', '16777215'],
  'int unsigned': ['0', '4294967295'],
}

/** Bytes of values whose types say no number. */
const lengths: Readonly<Record<string, number>> = {
  tinytext: 255,
  text: 65_535,
  mediumtext: 16_777_215,
  tinyblob: 255,
  blob: 65_535,
  mediumblob: 16_777_215,
}

/**
 * The condition for values that fit in MariaDB's type, null when PostgreSQL's holds no others: what it took and MariaDB
 * does not would be lost on the way back.
 */
export function valueRange(column: DerivedColumn): string | null {
  const { family, type, targetType, shared } = column
  const name = quoteIdentifier(column.name)
  if (targetType === 'boolean') return null
  switch (family) {
    case 'integer': {
      const limits = integers[`${type.base}${type.unsigned ? ' unsigned' : ''}`]
      if (limits) return `${name} between ${limits[0]} and ${limits[1]}`
      if (!type.unsigned) return null
      return targetType === 'bigint' ? `${name} >= 0` : `${name} between 0 and 18446744073709551615`
    }
    case 'decimal':
    case 'float':
    case 'double':
      return type.unsigned ? `${name} >= 0` : null
    case 'bit': {
      const bits = type.numbers[0] ?? 1
      return bits >= 63 && targetType === 'bigint' ? `${name} >= 0` : `${name} between 0 and ${2n ** BigInt(bits) - 1n}`
    }
    case 'year':
      return `${name} = 0 or ${name} between 1901 and 2155`
    case 'timestamp':
      if (column.zeroDate !== undefined && column.zeroDate !== 'null') return null
      return `${name} between '1970-01-01 00:00:01+00' and '2038-01-19 03:14:07.999999+00'`
    case 'time':
      return targetType === 'interval' ? `${name} between '-838:59:59' and '838:59:59'` : null
    case 'bytes':
      if (type.base === 'longblob') return null
      return `octet_length(${name}) ${type.base === 'binary' ? '=' : '<='} ${lengths[type.base] ?? type.numbers[0] ?? 1}`
    case 'text': {
      const most = shared.collation?.startsWith('utf8') ? lengths[type.base] : undefined
      return most === undefined ? null : `octet_length(${name}) <= ${most}`
    }
    default:
      return null
  }
}
