type Tree = Readonly<Record<string, unknown>>
type Value = string | number | boolean | undefined

/** What an expression of constants alone gives, whatever row it is asked about; undefined where that depends on anything. */
export function constantValue(node: unknown): Value {
  if (typeof node !== 'object' || node === null) return undefined
  const [tag = '', content] = Object.entries(node)[0] ?? []
  const tree = content as Tree
  switch (tag) {
    case 'A_Const':
      return constant(tree)
    case 'TypeCast':
      return cast(tree)
    case 'BoolExpr':
      return boolean(tree)
    case 'NullTest':
      return constantValue(tree['arg']) === undefined ? undefined : tree['nulltesttype'] === 'IS_NOT_NULL'
    case 'BooleanTest':
      return booleanTest(tree)
    case 'A_Expr':
      return tree['kind'] === 'AEXPR_OP' ? compared(tree) : undefined
    default:
      return undefined
  }
}

function constant(tree: Tree): Value {
  const inner = (key: string) => Object.values((tree[key] as Tree | undefined) ?? {})[0]
  if ('boolval' in tree) return inner('boolval') === true
  if ('ival' in tree) return Number(inner('ival') ?? 0)
  if ('fval' in tree) return Number(inner('fval'))
  return 'sval' in tree ? ((inner('sval') as string | undefined) ?? '') : undefined
}

/** PostgreSQL writes the type behind most constants. */
function cast(tree: Tree): Value {
  const value = constantValue(tree['arg'])
  const isBoolean = JSON.stringify(tree['typeName']).includes('"bool"')
  if (!isBoolean || typeof value !== 'string') return value
  return /^(t|true|y|yes|on|1)$/i.test(value)
}

function boolean(tree: Tree): Value {
  const values = (tree['args'] as unknown[]).map(constantValue)
  const isKnown = values.every((value) => value !== undefined)
  switch (tree['boolop']) {
    case 'NOT_EXPR':
      return isKnown ? values[0] !== true : undefined
    case 'OR_EXPR':
      return values.includes(true) ? true : isKnown ? false : undefined
    default:
      return values.includes(false) ? false : isKnown ? true : undefined
  }
}

function booleanTest(tree: Tree): Value {
  const value = constantValue(tree['arg'])
  if (typeof value !== 'boolean') return undefined
  const isTrue = { IS_TRUE: value, IS_NOT_FALSE: value, IS_FALSE: !value, IS_NOT_TRUE: !value }
  return isTrue[tree['booltesttype'] as keyof typeof isTrue] ?? tree['booltesttype'] === 'IS_NOT_UNKNOWN'
}

function compared(tree: Tree): Value {
  const [left, right] = [constantValue(tree['lexpr']), constantValue(tree['rexpr'])]
  if (left === undefined || right === undefined || typeof left !== typeof right) return undefined
  const name = JSON.stringify(tree['name']).match(/"sval":"([<>=!]+)"/)?.[1]
  const isText = typeof left === 'string'
  // The order of texts is the collation's.
  switch (name) {
    case '=':
      return left === right
    case '<>':
    case '!=':
      return left !== right
    case '<':
      return isText ? undefined : left < right
    case '>':
      return isText ? undefined : left > right
    case '<=':
      return isText ? undefined : left <= right
    case '>=':
      return isText ? undefined : left >= right
    default:
      return undefined
  }
}
