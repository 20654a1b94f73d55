/** The parts of dcmjs that this program uses; the package ships no types. */
declare module 'dcmjs' {
  export interface DictionaryEntry {
    /** `(0010,0010)` */
    readonly tag: string;
    readonly vr: string;
    readonly vm: string;
    readonly name: string;
  }
  export interface DcmjsElement {
    readonly vr: string;
    readonly Value: readonly unknown[];
  }
  export type DcmjsDict = Record<string, DcmjsElement>;
  export const data: {
    readonly DicomMetaDictionary: { readonly nameMap: Readonly<Record<string, DictionaryEntry>> };
    readonly DicomMessage: {
      write(dict: DcmjsDict, stream: WriteBufferStream, syntax: string, options: Record<string, unknown>): number;
    };
    readonly WriteBufferStream: new (size: number | null, littleEndian: boolean) => WriteBufferStream;
  };
  export interface WriteBufferStream {
    readonly size: number;
    getBuffer(start?: number, end?: number): ArrayBuffer | Uint8Array;
  }
  export const log: { setLevel(level: string): void };
  const dcmjs: { readonly data: typeof data; readonly log: typeof log };
  export default dcmjs;
}
