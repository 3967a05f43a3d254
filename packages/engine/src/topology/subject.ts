import { objectNames, path } from '../parse/references.ts'
import type { Node } from '../parse/parser.ts'

/** The object that a statement makes or changes, as far as it decides in whose database it belongs. */
export interface Subject {
  readonly schema: string
  /** `function a.b`, `view a.b`, `trigger a.b.c`, `table a.b`, `type a.b`; empty where nothing is made. */
  readonly makes: string
}

export function subjectOf(node: Node): Subject | null {
  if ('CreateFunctionStmt' in node) return made('function', path(node.CreateFunctionStmt.funcname))
  if ('ViewStmt' in node) return onTable(node.ViewStmt.view, 'view')
  if ('CreateTableAsStmt' in node) return onTable(node.CreateTableAsStmt.into?.rel, 'view')
  if ('CreateStmt' in node) return onTable(node.CreateStmt.relation, 'table')
  if ('CreateTrigStmt' in node) return onTable(node.CreateTrigStmt.relation, 'trigger', node.CreateTrigStmt.trigname)
  if ('CreatePolicyStmt' in node)
    return onTable(node.CreatePolicyStmt.table, 'policy', node.CreatePolicyStmt.policy_name)
  if ('IndexStmt' in node) return onTable(node.IndexStmt.relation, 'index', node.IndexStmt.idxname)
  if ('AlterTableStmt' in node) return onTable(node.AlterTableStmt.relation, '')
  if ('CreateEnumStmt' in node) return made('type', path(node.CreateEnumStmt.typeName))
  if ('CreateDomainStmt' in node) return made('type', path(node.CreateDomainStmt.domainname))
  if ('CreateRangeStmt' in node) return made('type', path(node.CreateRangeStmt.typeName))
  if ('CompositeTypeStmt' in node) return onTable(node.CompositeTypeStmt.typevar, 'type')
  return null
}

export interface Commented {
  /** For a column the name is that of its table. */
  readonly kind: 'function' | 'trigger' | 'view' | 'column' | 'constraint'
  readonly name: string
}

/** What a COMMENT describes; null for what is told apart by nothing but its schema. */
export function commented(node: Node): Commented | null {
  if (!('CommentStmt' in node)) return null
  const { objtype, object } = node.CommentStmt
  if (object && 'ObjectWithArgs' in object)
    return { kind: 'function', name: path(object.ObjectWithArgs.objname).join('.') }
  const names = objectNames(object)
  if (objtype === 'OBJECT_COLUMN') return { kind: 'column', name: names.slice(0, 2).join('.') }
  const kind = KINDS[objtype ?? '']
  return kind ? { kind, name: names.join('.') } : null
}

const KINDS: Readonly<Record<string, Commented['kind']>> = {
  OBJECT_TRIGGER: 'trigger',
  OBJECT_VIEW: 'view',
  OBJECT_MATVIEW: 'view',
  OBJECT_TABCONSTRAINT: 'constraint',
}

interface Named {
  readonly schemaname?: string
  readonly relname?: string
}

function onTable(relation: Named | undefined, kind: string, part?: string): Subject | null {
  if (!relation?.schemaname) return null
  const name = [relation.schemaname, relation.relname, part].filter((piece) => piece !== undefined).join('.')
  return { schema: relation.schemaname, makes: kind === '' ? '' : `${kind} ${name}` }
}

function made(kind: string, names: string[]): Subject | null {
  return names.length < 2 ? null : { schema: names[0] ?? '', makes: `${kind} ${names.join('.')}` }
}
