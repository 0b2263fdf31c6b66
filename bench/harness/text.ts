export const round = (value: number): string =>
  value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)

/** A ratio in words: how many times faster or slower than Cordon, in few digits. */
export const ratioText = (ratio: number): string =>
  ratio < 0.1 ? ratio.toFixed(3) : ratio.toFixed(2)
