import { formatType } from '../../catalog/files/format-type.ts'
import type { SourcePosition } from '../../catalog/model.ts'
import type { ParsedStatement } from '../../parse/parse-sql.ts'
import { path } from '../../parse/references.ts'
import { typeKey } from '../history/names.ts'
import { isNewObject } from '../locks/is-new-object.ts'
import type { Moment } from '../rule.ts'

export interface DroppedObject {
  /** `table`, `view`, `materialized view`, `type`, `function`, `trigger`, .. */
  readonly kind: string
  /** `schema.name`; `schema.name(types)` of a routine; the bare name of what has no schema; `schema.table.trigger`. */
  readonly name: string
  /** Where it was made, when a file made it. */
  readonly position: SourcePosition | undefined
}

/** What a DROP takes away that production may hold: not what came with the same files, nor what never was (IF EXISTS). */
export function droppedObjects({ node }: ParsedStatement, moment: Moment): DroppedObject[] {
  if (!('DropStmt' in node)) return []
  const { removeType = '', objects = [], missing_ok: isTolerant } = node.DropStmt
  const kind = WORDS[removeType] ?? removeType.replace('OBJECT_', '').replaceAll('_', ' ').toLowerCase()
  return objects.flatMap((object): DroppedObject[] => {
    const name = nameOf(object, kind, moment)
    const found = find(kind, name, moment)
    if (found ? isNewObject(found.position, moment) : isTolerant && moment.history.complete) return []
    return moment.isNew(name) ? [] : [{ kind, name, position: found?.position }]
  })
}

const WORDS: Readonly<Record<string, string>> = { OBJECT_MATVIEW: 'materialized view' }
const WITHOUT_SCHEMA = new Set(['schema', 'extension', 'publication', 'event trigger', 'language', 'foreign server'])
const ROUTINES = new Set(['function', 'procedure', 'aggregate', 'routine'])

function nameOf(object: object, kind: string, { catalog }: Moment): string {
  if ('ObjectWithArgs' in object) {
    const { objname, objargs } = object.ObjectWithArgs as { objname?: unknown; objargs?: object[] }
    const name = typeKey(path(objname))
    if (objargs)
      return `${name}(${objargs.map((own) => formatType((own as { TypeName?: object }).TypeName ?? {})).join(', ')})`
    return [...catalog.functions.keys()].find((key) => key.startsWith(`${name}(`)) ?? `${name}()`
  }
  const names = namesIn(object)
  if (WITHOUT_SCHEMA.has(kind)) return names.at(-1) ?? ''
  if (kind === 'trigger' || kind === 'policy' || kind === 'rule')
    return `${typeKey(names.slice(0, -1))}.${names.at(-1)}`
  return typeKey(names)
}

function namesIn(object: object): string[] {
  if ('String' in object) return [(object.String as { sval?: string }).sval ?? '']
  if ('TypeName' in object) return path((object.TypeName as { names?: unknown }).names)
  return 'List' in object ? path((object.List as { items?: unknown }).items) : []
}

function find(
  kind: string,
  name: string,
  { catalog }: Moment,
): { readonly position?: SourcePosition | undefined } | undefined {
  if (ROUTINES.has(kind)) return catalog.functions.get(name)
  if (kind === 'trigger') {
    const dot = name.lastIndexOf('.')
    return catalog.tables.get(name.slice(0, dot))?.triggers.get(name.slice(dot + 1))
  }
  const maps: Record<string, ReadonlyMap<string, { readonly position?: SourcePosition | undefined }>> = {
    table: catalog.tables,
    'foreign table': catalog.tables,
    view: catalog.views,
    'materialized view': catalog.views,
    sequence: catalog.sequences,
    type: catalog.types,
    domain: catalog.types,
    schema: catalog.schemas,
    extension: catalog.extensions,
    publication: catalog.publications,
  }
  return maps[kind]?.get(name)
}
