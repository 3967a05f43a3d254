import { quoteIdentifier, quoteLiteral } from '../bundle/quote.ts'
import type { UserType } from '../catalog/model.ts'
import { unplaced, type UnplacedObject } from './printed-object.ts'
import { lowerCase, qualified, quoteKey } from './sql-text.ts'

export function printType(type: UserType): UnplacedObject {
  const key = `${type.schema}.${type.name}`
  const place = { section: 'types', phase: 'types' } as const
  return unplaced(`type ${key}`, type.schema, place, [typeStatement(type)], { defines: [key] })
}

export function typeStatement(type: UserType): string {
  const name = qualified(type)
  switch (type.kind) {
    case 'enum':
      return `create type ${name} as enum (${type.labels.map(quoteLiteral).join(', ')})`
    case 'composite': {
      const fields = type.attributes.map((field) => `${quoteIdentifier(field.name)} ${field.type}`)
      return `create type ${name} as (${fields.join(', ')})`
    }
    case 'range':
      return `create type ${name} as range (subtype = ${type.base}${type.collation === null ? '' : `, collation = ${quoteKey(type.collation)}`})`
    default:
      return domainStatement(type)
  }
}

function domainStatement(type: UserType): string {
  const parts = [
    `create domain ${qualified(type)} as ${type.base}`,
    ...(type.collation === null ? [] : [`collate ${quoteKey(type.collation)}`]),
    ...(type.default === null ? [] : [`default ${lowerCase(type.default)}`]),
    ...(type.notNull ? ['not null'] : []),
    ...type.checks.map((check) => `constraint ${quoteIdentifier(check.name)} ${lowerCase(check.definition)}`),
  ]
  return parts.length < 3 ? parts.join(' ') : parts.join('\n  ')
}
