/**
 * Returns ` Did you mean X?` with the word that is most similar to `given`, or an empty string if
 * no word is similar.
 */
export function didYouMean(given: string, words: readonly string[]): string {
  const limit = Math.min(2, Math.floor(given.length / 2));
  const [closest] = words
    .map((word) => ({ word, edits: editsBetween(given, word) }))
    .filter(({ edits }) => edits <= limit)
    .sort((a, b) => a.edits - b.edits);
  return closest === undefined ? '' : ` Did you mean ${closest.word}?`;
}

/**
 * Returns the number of characters to insert, remove or replace to change one word into another
 * (Levenshtein distance).
 */
function editsBetween(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (let i = 1; i <= from.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= to.length; j += 1) {
      const replaced = (row[j - 1] as number) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[to.length] as number;
}
