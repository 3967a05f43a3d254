import { declaredValues } from './declared-values.ts'
import type { ParsedStatement } from './parse-sql.ts'
import { parsePlpgsql, parseRaw, type Node } from './parser.ts'
import { walkTree } from './walk.ts'

/** A mention of an object by its qualified name. */
export interface Reference {
  readonly kind: 'table' | 'function' | 'type' | 'schema' | 'foreign key'
  readonly schema: string
  /** Empty for a schema. */
  readonly name: string
}

/**
 * Every object that a statement names with its schema: tables, functions, types, also inside the bodies of SQL and
 * PL/pgSQL functions and DO blocks. Dynamic SQL (EXECUTE of a computed text) cannot be seen. The grammar must be loaded.
 */
export function statementReferences(statement: ParsedStatement): Reference[] {
  const found = new Map<string, Reference>()
  const add = (kind: Reference['kind'], schema: string | undefined, name: string) => {
    if (schema) found.set(`${kind} ${schema}.${name}`, { kind, schema, name })
  }
  collect(statement.node, add)
  for (const tree of bodyTrees(statement)) collect(tree, add)
  return [...found.values()]
}

type Add = (kind: Reference['kind'], schema: string | undefined, name: string) => void

function collect(tree: unknown, add: Add): void {
  walkTree(tree, (tag, content) => {
    switch (tag) {
      case 'RangeVar':
        add('table', text(content['schemaname']), text(content['relname']) ?? '')
        break
      case 'Constraint': {
        if (content['contype'] !== 'CONSTR_FOREIGN') break
        const target = content['pktable'] as Record<string, unknown>
        add('foreign key', text(target['schemaname']), text(target['relname']) ?? '')
        return false
      }
      case 'FuncCall':
      case 'CreateTrigStmt':
      case 'CreateFunctionStmt':
        addPath('function', content['funcname'], add)
        break
      case 'TypeName':
        addPath('type', content['names'], add)
        break
      case 'CreateEnumStmt':
      case 'CreateRangeStmt':
        addPath('type', content['typeName'], add)
        break
      case 'CreateDomainStmt':
        addPath('type', content['domainname'], add)
        break
      case 'CompositeTypeStmt': {
        const name = content['typevar'] as Record<string, unknown>
        add('type', text(name['schemaname']), text(name['relname']) ?? '')
        break
      }
      case 'ObjectWithArgs':
        addPath('function', content['objname'], add)
        break
      case 'CommentStmt':
        addCommented(content, add)
        break
      case 'GrantStmt':
        if (content['targtype'] === 'ACL_TARGET_ALL_IN_SCHEMA' || content['objtype'] === 'OBJECT_SCHEMA') {
          for (const name of path(content['objects'])) add('schema', name, '')
        }
        break
      case 'TypeCast':
        addRegclass(content, add)
        break
      default:
    }
    return undefined
  })
}

function addPath(kind: Reference['kind'], names: unknown, add: Add): void {
  const parts = path(names)
  if (parts.length >= 2) add(kind, parts[0], parts[1] ?? '')
}

function addCommented(content: Record<string, unknown>, add: Add): void {
  const parts = path((content['object'] as { List?: { items?: unknown } } | undefined)?.List?.items)
  const onTable = ['OBJECT_TABLE', 'OBJECT_COLUMN', 'OBJECT_VIEW', 'OBJECT_MATVIEW', 'OBJECT_INDEX', 'OBJECT_SEQUENCE']
  const onPart = ['OBJECT_POLICY', 'OBJECT_TRIGGER', 'OBJECT_TABCONSTRAINT', 'OBJECT_RULE']
  const type = String(content['objtype'])
  if (onTable.includes(type) && parts.length >= 2) add('table', parts[0], parts[1] ?? '')
  if (onPart.includes(type) && parts.length === 3) add('table', parts[0], parts[1] ?? '')
}

/** `'schema.table'::regclass` names a table in a string. */
function addRegclass(content: Record<string, unknown>, add: Add): void {
  const type = path((content['typeName'] as Record<string, unknown> | undefined)?.['names']).at(-1)
  const literal = (content['arg'] as { A_Const?: { sval?: { sval?: string } } } | undefined)?.A_Const?.sval?.sval
  const [schema, name, ...more] = literal?.split('.') ?? []
  if (schema && name && more.length === 0) {
    if (type === 'regclass') add('table', schema, name)
    if (type === 'regprocedure' || type === 'regproc') add('function', schema, name.replace(/\(.*/, ''))
  }
}

/** The names in a list of String nodes: `[{String: {sval: 'a'}}, ...]` -> `['a', ...]`. */
export function path(names: unknown): string[] {
  if (!Array.isArray(names)) return []
  const found: string[] = []
  for (const name of names as { String?: { sval?: string } }[]) {
    const text = name.String?.sval
    if (text !== undefined) found.push(text)
  }
  return found
}

/** The names of the object of a DROP, ALTER or COMMENT: `comment on table a.b` -> `['a', 'b']`. */
export function objectNames(object: Node | undefined): string[] {
  if (!object) return []
  if ('String' in object) return [object.String.sval ?? '']
  if ('TypeName' in object) return path(object.TypeName.names)
  return 'List' in object ? path(object.List.items) : []
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** Parse trees of what stands in a function's or DO block's body. */
export function bodyTrees(statement: ParsedStatement): unknown[] {
  const { node } = statement
  if ('DoStmt' in node) return plpgsqlTrees(statement.text)
  if (!('CreateFunctionStmt' in node)) return []
  const options = new Map<string, unknown>()
  for (const option of node.CreateFunctionStmt.options ?? []) {
    if ('DefElem' in option) options.set(option.DefElem.defname ?? '', option.DefElem.arg)
  }
  const language = (options.get('language') as { String?: { sval?: string } } | undefined)?.String?.sval
  const body = path((options.get('as') as { List?: { items?: unknown } } | undefined)?.List?.items)[0]
  if (language === 'sql' && body !== undefined) return trees(body)
  if (language === 'plpgsql') return plpgsqlTrees(statement.text)
  return []
}

function trees(sql: string): unknown[] {
  const parsed = parseRaw(sql)
  return Array.isArray(parsed) ? parsed.map((statement) => statement.node) : []
}

function plpgsqlTrees(createText: string): unknown[] {
  const found: unknown[] = []
  let hasRecords = false
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return
    if (Array.isArray(value)) return value.forEach(visit)
    for (const [key, child] of Object.entries(value as Record<string, unknown>)) {
      hasRecords ||= key === 'PLpgSQL_rec'
      if (key === 'PLpgSQL_expr') found.push(...expressionTrees(child as { query?: string; parseMode?: number }))
      else if (key === 'PLpgSQL_type') found.push(...typeTrees((child as { typname?: string }).typname ?? ''))
      else visit(child)
    }
  }
  visit(parsePlpgsql(createText))
  return hasRecords
    ? [...found, ...declaredValues(createText).flatMap(({ text: value }) => trees(`select ${value}`))]
    : found
}

/** PL/pgSQL's parse modes: 0 a statement, 2 an expression, 3 to 5 an assignment `target := expression`. */
function expressionTrees({ query = '', parseMode = 0 }: { query?: string; parseMode?: number }): unknown[] {
  if (parseMode === 0) return trees(query)
  if (parseMode === 2) return trees(`select ${query}`)
  return trees(`select ${query.replace(/^.*?:?=/s, '')}`)
}

function typeTrees(type: string): unknown[] {
  if (/%rowtype$/i.test(type)) return trees(`select from ${type.replace(/%rowtype$/i, '')}`)
  if (/%type/i.test(type)) {
    const parts = type.replace(/%type.*$/i, '').split('.')
    return parts.length === 3 ? trees(`select from ${parts[0]}.${parts[1]}`) : []
  }
  return trees(`select null::${type}`)
}
