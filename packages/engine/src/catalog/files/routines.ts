import { quoteIdentifier } from '../../bundle/quote.ts'
import type { Node } from '../../parse/parser.ts'
import { path } from '../../parse/references.ts'
import { sqlTokens } from '../../parse/split-sql.ts'
import type { Routine } from '../model.ts'
import { markUnknown, type Fold } from './fold.ts'
import { typeText, withoutLength, type TypeNameLike } from './format-type.ts'
import { forget } from './gone.ts'
import { defaultGrants } from './default-grants.ts'
import { newName, routineNamed } from './names.ts'
import { qualify } from './qualify.ts'
import { listInParentheses, trimmed } from './source-text.ts'

type FunctionNode = Extract<Node, { CreateFunctionStmt: unknown }>['CreateFunctionStmt']
type Parameter = Extract<Node, { FunctionParameter: unknown }>['FunctionParameter']

export function createFunction(fold: Fold, node: FunctionNode): void {
  const { schema, name } = newName(fold, path(node.funcname))
  const parameters = (node.parameters ?? []).flatMap((item) =>
    'FunctionParameter' in item ? item.FunctionParameter : [],
  )
  const argumentTypes = parameters.filter(isInput).map((parameter) => typeOf(fold, parameter))
  const key = `${schema}.${name}(${argumentTypes.join(', ')})`
  const before = fold.catalog.functions.get(key)
  if (before && !node.replace) return
  forget(fold, key)
  fold.catalog.functions.set(key, {
    schema,
    name,
    kind: node.is_procedure ? 'procedure' : 'function',
    owner: before?.owner ?? null,
    comment: before?.comment ?? null,
    grants: before?.grants ?? defaultGrants(fold, 'function', schema),
    argumentTypes,
    arguments: argumentsText(fold, parameters, node.is_procedure ?? false),
    returns: returnsText(fold, node, parameters),
    position: fold.position,
    ...routineOptions(fold, node),
  })
}

function isInput({ mode }: Parameter): boolean {
  return mode !== 'FUNC_PARAM_OUT' && mode !== 'FUNC_PARAM_TABLE'
}

function typeOf(fold: Fold, parameter: Parameter): string {
  return withoutLength(withSetof(fold, parameter.argType ?? {}))
}

function withSetof(fold: Fold, type: TypeNameLike): string {
  return `${type.setof ? 'SETOF ' : ''}${typeText(fold, type)}`
}

const MODES: Record<string, string> = {
  FUNC_PARAM_OUT: 'OUT ',
  FUNC_PARAM_INOUT: 'INOUT ',
  FUNC_PARAM_VARIADIC: 'VARIADIC ',
}

/** The form of pg_get_function_arguments; defaults stay as written. */
function argumentsText(fold: Fold, parameters: Parameter[], isProcedure: boolean): string {
  const { text } = fold.statement
  const spans = parameters.length > 0 ? listInParentheses(text, 0) : []
  return parameters
    .flatMap((parameter, n) => {
      if (parameter.mode === 'FUNC_PARAM_TABLE') return []
      const span = spans[n]
      const value = parameter.defexpr && span ? qualify(fold, 'expression', defaultText(trimmed(text, span))) : null
      const name = parameter.name ? `${quoteIdentifier(parameter.name)} ` : ''
      return `${MODES[parameter.mode ?? ''] ?? (isProcedure ? 'IN ' : '')}${name}${typeOf(fold, parameter)}${value === null ? '' : ` DEFAULT ${value}`}`
    })
    .join(', ')
}

function defaultText(parameter: string): string {
  const sign = sqlTokens(parameter).find(
    (token) => token.depth === 0 && (token.text === '=' || token.text.toLowerCase() === 'default'),
  )
  return parameter.slice(sign?.end ?? 0).trim()
}

/** The form of pg_get_function_result; nothing for a procedure. */
function returnsText(fold: Fold, node: FunctionNode, parameters: Parameter[]): string {
  if (node.is_procedure) return ''
  const columns = parameters.filter((parameter) => parameter.mode === 'FUNC_PARAM_TABLE')
  if (columns.length > 0) {
    return `TABLE(${columns.map((column) => `${quoteIdentifier(column.name ?? '')} ${typeOf(fold, column)}`).join(', ')})`
  }
  if (node.returnType) return withoutLength(withSetof(fold, node.returnType))
  const outputs = parameters.filter(({ mode }) => mode === 'FUNC_PARAM_OUT' || mode === 'FUNC_PARAM_INOUT')
  if (outputs.length === 0) return ''
  return outputs.length === 1 && outputs[0] ? typeOf(fold, outputs[0]) : 'record'
}

type Options = Pick<
  Routine,
  | 'language'
  | 'volatility'
  | 'parallel'
  | 'securityDefiner'
  | 'strict'
  | 'leakproof'
  | 'settings'
  | 'body'
  | 'cost'
  | 'rows'
  | 'definition'
>

function routineOptions(fold: Fold, node: FunctionNode): Options {
  const { text } = fold.statement
  const options = new Map<string, Node | undefined>()
  const settings: string[] = []
  for (const option of node.options ?? []) {
    if (!('DefElem' in option)) continue
    const { defname = '', arg } = option.DefElem
    if (defname === 'set' && arg && 'VariableSetStmt' in arg) settings.push(settingText(arg.VariableSetStmt))
    else options.set(defname, arg)
  }
  const texts = (name: string) => {
    const arg = options.get(name)
    return arg && 'String' in arg ? (arg.String.sval ?? '') : ''
  }
  const flag = (name: string) => {
    const arg = options.get(name)
    return arg !== undefined && 'Boolean' in arg && arg.Boolean.boolval === true
  }
  const as = options.get('as')
  const body = as && 'List' in as ? path(as.List.items) : []
  return {
    language: texts('language') || 'sql',
    volatility: (texts('volatility') || 'volatile') as Options['volatility'],
    parallel: (texts('parallel') || 'unsafe') as Options['parallel'],
    securityDefiner: flag('security'),
    strict: flag('strict'),
    leakproof: flag('leakproof'),
    settings: settings.toSorted(),
    cost: estimate(options.get('cost'), ['c', 'internal'].includes(texts('language')) ? 1 : 100),
    rows: estimate(options.get('rows'), node.returnType?.setof || hasTable(node) ? 1000 : 0),
    definition: null,
    body: node.sql_body ? qualify(fold, 'body', standardBody(text)) : (body.at(-1) ?? ''),
  }
}

/** A planner's estimate, null where it is what PostgreSQL takes anyway. */
export function estimate(arg: Node | undefined, usual: number): number | null {
  const text = arg && 'Integer' in arg ? (arg.Integer.ival ?? 0) : arg && 'Float' in arg ? arg.Float.fval : undefined
  return text === undefined || Number(text) === usual ? null : Number(text)
}

function hasTable(node: FunctionNode): boolean {
  return (node.parameters ?? []).some(
    (item) => 'FunctionParameter' in item && item.FunctionParameter.mode === 'FUNC_PARAM_TABLE',
  )
}

/** The body that is no string: `return ..` or `begin atomic .. end`, the last clause of its statement. */
function standardBody(text: string): string {
  const start = sqlTokens(text).find((token, n, all) => {
    const [word, next] = [token.text.toLowerCase(), all[n + 1]?.text.toLowerCase()]
    return token.depth === 0 && (word === 'return' || (word === 'begin' && next === 'atomic'))
  })
  return start ? text.slice(start.start) : ''
}

/** Settings that PostgreSQL spells with capitals. */
const SPELLINGS: Record<string, string> = {
  timezone: 'TimeZone',
  datestyle: 'DateStyle',
  intervalstyle: 'IntervalStyle',
}

/** `name=value` as pg_proc.proconfig keeps it; the values of lists of names are quoted as names. */
export function settingText(setting: Extract<Node, { VariableSetStmt: unknown }>['VariableSetStmt']): string {
  const isList = setting.name === 'search_path'
  const values = (setting.args ?? []).map((argument) => {
    const constant =
      'A_Const' in argument ? Object.entries(argument.A_Const).find(([key]) => key.endsWith('val')) : undefined
    const value = String(Object.values((constant?.[1] ?? {}) as object)[0] ?? (constant?.[0] === 'ival' ? 0 : ''))
    return isList ? (value === '' ? '""' : quoteIdentifier(value)) : value
  })
  const name = setting.name ?? ''
  return `${SPELLINGS[name] ?? name}=${values.join(', ')}`
}

function word(arg: Node | undefined): string {
  if (arg && 'String' in arg) return arg.String.sval ?? 'unsafe'
  return arg && 'TypeName' in arg ? (path(arg.TypeName.names).at(-1) ?? 'unsafe') : 'unsafe'
}

/** What the final function returns; of PostgreSQL's own functions that is not known here. */
function finalType(fold: Fold, arg: Node | undefined, stateType: string): string {
  const names = arg && 'TypeName' in arg ? path(arg.TypeName.names) : arg && 'List' in arg ? path(arg.List.items) : []
  const { key } = routineNamed(fold, names)
  const [own] = [...fold.catalog.functions].filter(([name]) => name.startsWith(`${key}(`))
  if (own) return own[1].returns
  markUnknown(fold, `create aggregate with the final function ${names.join('.')}`)
  return stateType
}

/** CREATE AGGREGATE. */
export function createAggregate(fold: Fold, node: Extract<Node, { DefineStmt: unknown }>['DefineStmt']): void {
  const { schema, name } = newName(fold, path(node.defnames))
  const [list] = node.args ?? []
  const items = list && 'List' in list ? (list.List.items ?? []) : []
  const parameters = items.flatMap((item) => ('FunctionParameter' in item ? item.FunctionParameter : []))
  const argumentTypes = parameters.map((parameter) => typeOf(fold, parameter))
  const definition = new Map(
    (node.definition ?? []).flatMap((item) => ('DefElem' in item ? [[item.DefElem.defname, item.DefElem.arg]] : [])),
  )
  const state = definition.get('stype')
  const result = state && 'TypeName' in state ? typeText(fold, state.TypeName) : ''
  fold.catalog.functions.set(`${schema}.${name}(${argumentTypes.join(', ')})`, {
    schema,
    name,
    kind: 'aggregate',
    owner: null,
    comment: null,
    grants: defaultGrants(fold, 'function', schema),
    argumentTypes,
    arguments: parameters
      .map((parameter) => `${parameter.name ? `${parameter.name} ` : ''}${typeOf(fold, parameter)}`)
      .join(', '),
    returns: definition.has('finalfunc') ? finalType(fold, definition.get('finalfunc'), result) : result,
    language: 'internal',
    volatility: 'immutable',
    parallel: word(definition.get('parallel')) as Routine['parallel'],
    securityDefiner: false,
    strict: false,
    leakproof: false,
    settings: [],
    body: 'aggregate_dummy',
    cost: null,
    rows: null,
    definition: fold.statement.text,
    position: fold.position,
  })
}
