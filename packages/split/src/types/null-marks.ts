/** Bits that both servers count exactly. */
const columnsOfNumber = 50

/**
 * Tells which values of a row are null, in numbers of 50 columns each: SQL that both servers understand, and cheaper than a
 * text of a digit for each column.
 * @param conditions one a column, in the order of the row; null: never null
 */
export function nullMarks(conditions: readonly (string | null)[]): string[] {
  const marks: string[] = []
  for (let from = 0; from < conditions.length; from += columnsOfNumber) {
    const terms = conditions
      .slice(from, from + columnsOfNumber)
      .flatMap((condition, bit) => (condition === null ? [] : [`case when ${condition} then ${2 ** bit} else 0 end`]))
    marks.push(terms.length === 0 ? '0' : terms.join(' + '))
  }
  return marks
}
