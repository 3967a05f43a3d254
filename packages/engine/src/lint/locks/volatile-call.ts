import { path } from '../../parse/references.ts'
import { walkTree } from '../../parse/walk.ts'
import type { Catalog, Routine } from '../../catalog/model.ts'
import { parseRaw } from '../../parse/parser.ts'

/** Volatile functions that defaults call; a test asks a server for the volatility of PostgreSQL's own. */
export const volatileBuiltIns: readonly string[] = [
  'clock_timestamp',
  'currval',
  'gen_random_uuid',
  'lastval',
  'nextval',
  'pg_advisory_lock',
  'random',
  'random_normal',
  'set_config',
  'setseed',
  'timeofday',
  'uuidv4',
  'uuidv7',
]

/** The same of extensions that come with PostgreSQL. */
const OF_EXTENSIONS = ['uuid_generate_v1', 'uuid_generate_v1mc', 'uuid_generate_v4', 'gen_random_bytes', 'gen_salt']

const VOLATILE = new Set([...volatileBuiltIns, ...OF_EXTENSIONS])

/** The name of a function in an expression that gives another value at each call; null when there is none, or none known. */
export function volatileCall(expression: unknown, catalog: Catalog): string | null {
  let found: string | null = null
  walkTree([{ Root: expression }], (tag, content) => {
    if (tag !== 'FuncCall' || found !== null) return
    const names = path(content['funcname'])
    const name = names.at(-1) ?? ''
    const own = routinesNamed(names, catalog)
    const isVolatile = own.length > 0 ? own.some((routine) => isVolatileRoutine(routine, catalog)) : VOLATILE.has(name)
    if (isVolatile) found = name
  })
  return found
}

/** Of a name without schema those of all schemas: the search path is not known here. */
function routinesNamed(names: readonly string[], { functions }: Catalog): Routine[] {
  const [name, schema] = [names.at(-1), names.at(-2)]
  return [...functions.values()].filter((own) => own.name === name && (schema === undefined || own.schema === schema))
}

/** PostgreSQL puts the expression of a simple SQL function in place of its call: then that decides. */
function isVolatileRoutine({ volatility, language, body }: Routine, catalog: Catalog): boolean {
  if (volatility !== 'volatile') return false
  if (language !== 'sql') return true
  const parsed = parseRaw(body)
  const node = Array.isArray(parsed) && parsed.length === 1 ? parsed[0]?.node : undefined
  if (!node || !('SelectStmt' in node)) return true
  const { targetList = [], ...rest } = node.SelectStmt
  const isExpression = targetList.length === 1 && Object.keys(rest).every((key) => PLAIN.has(key))
  return !isExpression || volatileCall({ List: { items: targetList } }, catalog) !== null
}

const PLAIN = new Set(['limitOption', 'op'])
