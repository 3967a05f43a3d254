/**
 * Brings a policy expression to one spelling: case, white space, parentheses and the column alias that PostgreSQL adds
 * to a sub-select do not count. Meant for comparing with a fixed text only: without parentheses a longer expression
 * is ambiguous, but it then differs from the fixed text anyway.
 */
export function plainExpression(expression: string): string {
  return expression
    .toLowerCase()
    .replaceAll(/\s+as\s+[a-z_][a-z0-9_]*/g, '')
    .replaceAll(/[\s()]/g, '')
}
