const patterns = new Map<string, RegExp>()

/** Whether a name fits a pattern in which `*` stands for any text: `billing.*`, `*_log`. */
export function matchesName(pattern: string, name: string): boolean {
  if (!pattern.includes('*')) return pattern === name
  let expression = patterns.get(pattern)
  if (!expression) {
    const escaped = pattern.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')
    expression = new RegExp(`^${escaped}$`, 's')
    patterns.set(pattern, expression)
  }
  return expression.test(name)
}
