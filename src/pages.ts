/**
 * Page by page; the next one is under way while one is looked at. `next` asks for what follows a page, or gives
 * undefined after the last.
 */
export async function* readAhead<Page>(
  first: () => Promise<Page>,
  next: (page: Page) => Promise<Page> | undefined,
): AsyncGenerator<Page> {
  let page = await first();
  for (;;) {
    const following = next(page);
    // Whoever breaks off does not wait for it.
    following?.catch(() => undefined);
    yield page;
    if (!following) return;
    page = await following;
  }
}
