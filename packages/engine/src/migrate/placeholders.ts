import { PlaceholderError } from './errors.ts'

const PLACEHOLDER = /\$\{([A-Za-z_][A-Za-z0-9_.:-]*)\}/g

/**
 * Fills `${name}` with its value. Without values the text is returned as it is, so that `${` in a function's body
 * means nothing unless placeholders are used.
 * @throws PlaceholderError for a name without a value
 */
export function fillPlaceholders(
  text: string,
  values: Readonly<Record<string, string>> | undefined,
  file: string,
): string {
  if (!values || Object.keys(values).length === 0) return text
  return text.replaceAll(PLACEHOLDER, (_, name: string, offset: number) => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined
    if (value === undefined) throw new PlaceholderError(file, text.slice(0, offset).split('\n').length, name)
    return value
  })
}
