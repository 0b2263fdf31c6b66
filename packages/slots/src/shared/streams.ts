/** The pieces of a web stream. Leaving the loop cancels the stream at once, even if no data comes. */
export const piecesOf = <A>(stream: ReadableStream<A>): AsyncIterable<A> => ({
  [Symbol.asyncIterator]: () => {
    const reader = stream.getReader()
    return {
      next: async () => {
        const { done, value } = await reader.read()
        return done ? { done, value: undefined } : { done: false, value }
      },
      return: async () => {
        await reader.cancel()
        return { done: true, value: undefined }
      },
    }
  },
})

/** An iterable as a web stream that takes a piece when it is asked for one. */
export const streamOf = <A>(pieces: AsyncIterable<A>): ReadableStream<A> => {
  const iterator = pieces[Symbol.asyncIterator]()
  return new ReadableStream<A>(
    {
      pull: async (controller) => {
        const { done, value } = await iterator.next()
        if (done) controller.close()
        else controller.enqueue(value)
      },
      cancel: async () => {
        await iterator.return?.()
      },
    },
    { highWaterMark: 0 },
  )
}
