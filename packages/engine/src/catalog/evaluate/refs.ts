import { parseRaw } from '../../parse/parser.ts'
import type { Fold } from '../files/fold.ts'
import { typeText } from '../files/format-type.ts'
import { findIndex, hasRelation, indexNamed, relationNamed, routineNamed } from '../files/names.ts'
import type { Ref } from './value.ts'

/** The object that a text names as `regclass`, `regtype`, ..; null when there is none. */
export function refOf(fold: Fold, type: string, text: string): Ref | null {
  switch (type) {
    case 'regclass':
      return classOf(fold, splitName(text))
    case 'regnamespace': {
      const [name = ''] = splitName(text)
      return fold.catalog.schemas.has(name) || name === 'pg_catalog' ? { ref: 'namespace', key: name } : null
    }
    case 'regrole': {
      const [name = ''] = splitName(text)
      return fold.catalog.roles.has(name) ? { ref: 'role', key: name } : null
    }
    case 'regtype':
      return typeOf(fold, text)
    case 'regproc':
    case 'regprocedure':
      return routineOf(fold, text)
    default:
      return null
  }
}

/** The parts of a dotted name, without quotes and folded to lower case outside them. */
export function splitName(text: string): string[] {
  return [...text.matchAll(/"((?:[^"]|"")*)"|[^.\s]+/g)].map(([whole, quoted]) =>
    quoted === undefined ? whole.toLowerCase() : quoted.replaceAll('""', '"'),
  )
}

function classOf(fold: Fold, names: string[]): Ref | null {
  const relation = relationNamed(fold, names)
  if (hasRelation(fold.catalog, relation.key)) return { ref: 'class', key: relation.key }
  const index = indexNamed(fold, names)
  return findIndex(fold.catalog, index.schema, index.name) ? { ref: 'class', key: index.key } : null
}

function typeOf(fold: Fold, text: string): Ref | null {
  const parsed = parseRaw(`select null::${text}`)
  const [statement] = Array.isArray(parsed) ? parsed : []
  const select = statement && 'SelectStmt' in statement.node ? statement.node.SelectStmt : undefined
  const [target] = select?.targetList ?? []
  const value = target && 'ResTarget' in target ? target.ResTarget.val : undefined
  if (!value || !('TypeCast' in value)) return null
  const key = typeText(fold, value.TypeCast.typeName ?? {}).replace(/\(.*\)/, '')
  const { types, tables, views } = fold.catalog
  const base = key.replace(/\[\]$/, '').replaceAll('"', '')
  const isThere = !base.includes('.') || types.has(base) || tables.has(base) || views.has(base)
  return isThere ? { ref: 'type', key } : null
}

function routineOf(fold: Fold, text: string): Ref | null {
  const [, name = '', list] = /^([^(]*)(?:\((.*)\))?$/s.exec(text.trim()) ?? []
  const { key } = routineNamed(fold, splitName(name))
  const types =
    list === undefined || list.trim() === '' ? [] : list.split(',').map((type) => typeOf(fold, type.trim())?.key ?? '')
  const signature = `${key}(${types.join(', ')})`
  const found =
    list === undefined
      ? [...fold.catalog.functions.keys()].find((own) => own.startsWith(`${key}(`))
      : fold.catalog.functions.has(signature)
        ? signature
        : undefined
  return found === undefined ? null : { ref: 'proc', key: found }
}
