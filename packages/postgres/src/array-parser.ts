/**
 * Reads an array in PostgreSQL's text form, `{1,NULL,"a \"b\""}`, of any number of dimensions. An unquoted NULL is null.
 * https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
 */
export function parseArray(text: string, parseElement: (element: string) => unknown): unknown[] {
  // Explicit lower bounds, `[0:1]={a,b}`, say nothing that a JavaScript array can keep.
  let at = text.startsWith('[') ? text.indexOf('=') + 1 : 0

  function parseLevel(): unknown[] {
    const elements: unknown[] = []
    at++ // {
    while (at < text.length && text[at] !== '}') {
      if (text[at] === '{') elements.push(parseLevel())
      else if (text[at] === '"') elements.push(parseElement(readQuoted()))
      else elements.push(parseUnquoted(readUnquoted()))
      if (text[at] === ',') at++
    }
    at++ // }
    return elements
  }

  function readQuoted(): string {
    let value = ''
    for (at++; text[at] !== '"'; at++) {
      if (text[at] === '\\') at++
      value += text[at]
    }
    at++
    return value
  }

  function readUnquoted(): string {
    const start = at
    while (at < text.length && text[at] !== ',' && text[at] !== '}') at++
    return text.slice(start, at)
  }

  function parseUnquoted(element: string): unknown {
    return element === 'NULL' ? null : parseElement(element)
  }

  return parseLevel()
}
