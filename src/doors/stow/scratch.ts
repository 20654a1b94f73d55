/** Room for one part, in use until what it holds is in the file. */
export interface Place {
  /** A view of shared memory, so that another thread can look at the part where it lies. */
  readonly bytes: Uint8Array;
  used: Promise<unknown>;
}

/** The places of one request, given out in turn. */
export interface Scratch {
  next(): Place;
  /** No place is used any more. */
  giveBack(): void;
}

/** A file that fits is looked at before it is written; of a larger one what is looked at is read back. */
const placeBytes = 8 << 20;
/** One part comes in while another is looked at and two are written. */
const placesOfRequest = 4;
/** Memory that is kept for requests to come: of a place only what a part has filled is ever real. */
const kept = 4;

/**
 * Places that requests use in turn for all of their parts, instead of new memory for each: making and clearing it would
 * cost as much as copying the bytes, and makes the garbage collector run.
 */
export function createScratches(): () => Scratch {
  const idle: Uint8Array[] = [];
  return () => {
    const places: Place[] = [];
    let turn = 0;
    return {
      next: () => {
        const at = turn++ % placesOfRequest;
        return (places[at] ??= {
          bytes: idle.pop() ?? new Uint8Array(new SharedArrayBuffer(placeBytes)),
          used: Promise.resolve(),
        });
      },
      giveBack: () => {
        idle.push(...places.splice(0).map((p) => p.bytes));
        idle.splice(kept);
      },
    };
  };
}
