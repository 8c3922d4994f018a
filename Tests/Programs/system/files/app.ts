enum Color { Red, Green }
export const f = (x: number): string => `${x ?? 1}` + Color[Color.Green];
class A { #p = 1; get p() { return this.#p } }
console.log(f(2), new A().p);
