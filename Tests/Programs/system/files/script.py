import collections, csv, dataclasses, decimal, fractions, functools, hashlib, heapq, itertools
import json, math, os, queue, random, re, sqlite3, struct, sys, tempfile, threading, time, zlib

@dataclasses.dataclass(order=True)
class Row:
    score: float
    name: str

rows = [Row(float(r["score"]), r["name"]) for r in csv.DictReader(open("table.csv"))]
print(max(rows), min(rows), round(sum(r.score for r in rows), 2))
print(json.dumps(json.load(open("data.json")), sort_keys=True))
print(hashlib.sha256(open("table.csv", "rb").read()).hexdigest(), zlib.crc32(b"abc"))
print(re.findall(r"item(\d)5", open("table.csv").read()))
with sqlite3.connect(":memory:") as db:
    db.execute("create table t(name text, score real)")
    db.executemany("insert into t values (?, ?)", [(r.name, r.score) for r in rows])
    print(db.execute("select count(*), round(avg(score), 3) from t where score > 50").fetchall())
total, lock, work = 0, threading.Lock(), queue.Queue()
def add():
    global total
    while True:
        item = work.get()
        if item is None: return
        with lock: total += item
threads = [threading.Thread(target=add) for _ in range(4)]
for t in threads: t.start()
for i in range(1000): work.put(i)
for t in threads: work.put(None)
for t in threads: t.join()
print(total, decimal.Decimal(1) / 7, fractions.Fraction(3, 9), math.factorial(30))
random.seed(7)
print(random.random(), random.sample(range(100), 5), struct.pack(">Id", 7, 0.5).hex())
start = time.monotonic(); time.sleep(0.05); print(time.monotonic() - start >= 0.05)
with tempfile.TemporaryDirectory(dir=".") as d:
    open(os.path.join(d, "x"), "w").write("y"); print(os.listdir(d))
print(collections.Counter("mississippi").most_common(2), list(itertools.permutations("abc"))[:2])
print(functools.reduce(lambda a, b: a * b, range(1, 11)), heapq.nsmallest(2, [5, 1, 4]))
try:
    {}["missing"]
except KeyError as error:
    print("caught", error)
sys.exit(3)
