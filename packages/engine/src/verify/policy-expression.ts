import type { Policy } from '../catalog/model.ts'
import { parseRaw } from '../parse/parser.ts'
import { path } from '../parse/references.ts'
import { walkTree } from '../parse/walk.ts'
import { quoteName } from './attack/quote.ts'
import { constantValue } from './constant-expression.ts'
import type { VerifyContext } from './context.ts'
import { isExactly } from './exact-expression.ts'
import type { VerifyPolicy } from './policy.ts'

/** Whether a policy's expression is the one that isolates tenants, as people write it or as PostgreSQL prints it. */
export function isCanonical(text: string, column: string, policy: VerifyPolicy): boolean {
  const { contextFunction, contextExpression } = policy
  const name = quoteName(column)
  if (contextExpression !== null) return isExactly(text, `${name} = (select ${contextExpression})`)
  // The second form is for distributed tables, where sub-selects in policies are refused.
  return [`${name} = (select ${contextFunction}())`, `${name} = ${contextFunction}()`].some((own) =>
    isExactly(text, own),
  )
}

/** Whether it holds for rows without a tenant, and for no other. */
export function isUnowned(text: string, column: string): boolean {
  return isExactly(text, `${quoteName(column)} is null`)
}

/** What makes a policy's expression wider or slower than a comparison with the tenant of the request. */
export function policyFlaws(text: string, context: VerifyContext): string[] {
  const tree = parseExpression(text)
  if (tree === null) return []
  const flaws = new Set<string>()
  if (isAlwaysTrue(text)) flaws.add('it is always true')
  walkTree(tree, (tag, content) => {
    if (tag === 'BoolExpr' && content['boolop'] === 'OR_EXPR') flaws.add('OR opens it further')
    if (tag === 'SubLink' && content['subLinkType'] === 'EXISTS_SUBLINK') flaws.add('EXISTS is asked for every row')
    if (tag === 'SubLink' && content['subLinkType'] === 'ANY_SUBLINK') flaws.add('IN is asked for every row')
    if (tag === 'A_Expr' && content['kind'] === 'AEXPR_IN') flaws.add('IN lets more than one tenant in')
  })
  for (const name of callsPerRow(text, context)) flaws.add(`${name} is called for every row`)
  for (const name of volatileCalls(tree, context)) flaws.add(`${name} is volatile`)
  return [...flaws]
}

/** True for what lets every row pass, without a look at any: `true`, `1 < 2`, `not false`. */
export function isAlwaysTrue(text: string): boolean {
  const parsed = parseRaw(`select ${text}`)
  const [select] = Array.isArray(parsed) ? parsed : []
  const { targetList } = (select?.node as { SelectStmt?: { targetList?: unknown[] } } | undefined)?.SelectStmt ?? {}
  const [target] = (targetList ?? []) as { ResTarget?: { val?: unknown } }[]
  return constantValue(target?.ResTarget?.val) === true
}

/**
 * Functions that a policy calls for every row although their answer is the same for all: outside a sub-select, with no
 * column among their arguments, neither immutable nor unknown to us.
 */
export function callsPerRow(text: string, { catalog, policy }: Pick<VerifyContext, 'catalog' | 'policy'>): string[] {
  const found = new Set<string>()
  walkTree(parseExpression(text), (tag, content) => {
    if (tag === 'SubLink') return false
    if (tag !== 'FuncCall' || hasColumn(content['args'])) return undefined
    const name = withoutCatalog(path(content['funcname']))
    if (name === policy.contextFunction && policy.contextExpression === null) return undefined
    if (name === 'current_setting' || isStable(name, catalog)) found.add(name)
    return undefined
  })
  return [...found]
}

function volatileCalls(tree: unknown, { catalog }: VerifyContext): string[] {
  const found = new Set<string>()
  walkTree(tree, (tag, content) => {
    if (tag !== 'FuncCall') return
    const name = path(content['funcname']).join('.')
    if (routinesNamed(name, catalog).some(({ volatility }) => volatility === 'volatile')) found.add(name)
  })
  return [...found]
}

function isStable(name: string, catalog: VerifyContext['catalog']): boolean {
  const routines = routinesNamed(name, catalog)
  // A function of a schema that the files do not make: `auth.uid()` of a hosted platform.
  if (routines.length === 0) return name.includes('.')
  return routines.some(({ volatility }) => volatility !== 'immutable')
}

function routinesNamed(name: string, { functions }: VerifyContext['catalog']) {
  const qualified = name.includes('.') ? name : `public.${name}`
  return [...functions.values()].filter((routine) => `${routine.schema}.${routine.name}` === qualified)
}

function withoutCatalog(names: readonly string[]): string {
  return (names[0] === 'pg_catalog' ? names.slice(1) : names).join('.')
}

function hasColumn(tree: unknown): boolean {
  let found = false
  walkTree(tree, (tag) => {
    found ||= tag === 'ColumnRef'
  })
  return found
}

function parseExpression(text: string): unknown {
  const parsed = parseRaw(`select ${text}`)
  return Array.isArray(parsed) ? parsed.map(({ node }) => node) : null
}

export function holdsForEveryRole({ roles }: Policy): boolean {
  return roles.length === 1 && roles[0] === 'public'
}
