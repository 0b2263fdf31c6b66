/** A word as a shell reads it: exactly this text. */
export const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`
