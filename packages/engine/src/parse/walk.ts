/** Calls `visit(tag, content)` for every tagged node of a parse tree, parents first; `visit` returns false to skip the children. */
export function walkTree(
  tree: unknown,
  visit: (tag: string, content: Record<string, unknown>) => boolean | void,
): void {
  if (typeof tree !== 'object' || tree === null) return
  if (Array.isArray(tree)) {
    for (const item of tree) walkTree(item, visit)
    return
  }
  for (const key in tree) {
    const value = (tree as Record<string, unknown>)[key]
    if (typeof value !== 'object' || value === null) continue
    const tag = isTag(key) ? key : untaggedType(key)
    if (tag && !Array.isArray(value) && visit(tag, value as Record<string, unknown>) === false) continue
    walkTree(value, visit)
  }
}

/** Node tags are written in CamelCase, fields in lower case. */
function isTag(key: string): boolean {
  const code = key.charCodeAt(0)
  return code >= 65 && code <= 90
}

/** Fields with one fixed node type carry no tag in the tree: these are the ones whose type matters to us. */
function untaggedType(key: string): string | undefined {
  switch (key) {
    case 'relation':
    case 'pktable':
    case 'table':
    case 'sequence':
      return 'RangeVar'
    case 'typeName':
    case 'returnType':
    case 'argType':
      return 'TypeName'
    default:
      return undefined
  }
}
