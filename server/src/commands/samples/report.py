# Makes a table of numbers, reads it back with the csv module and sums it up by region.
import csv
import json
import os
import random

rows = 20_000
regions = ["north", "south", "east", "west"]
with open("sales.csv", "w", newline="") as out:
    table = csv.writer(out)
    table.writerow(["region", "amount"])
    for _ in range(rows):
        table.writerow([random.choice(regions), round(random.uniform(1, 500), 2)])
print(f"wrote {os.path.getsize('sales.csv'):,} bytes")

totals = dict.fromkeys(regions, 0.0)
with open("sales.csv", newline="") as source:
    for number, row in enumerate(csv.DictReader(source), start=1):
        totals[row["region"]] += float(row["amount"])
        if number % 5_000 == 0:
            print(f"read {number:,} of {rows:,} rows")

for region, total in sorted(totals.items(), key=lambda item: -item[1]):
    print(f"{region:<6} {total:>14,.2f}")

with open(os.environ["CRONIUM_OUTPUT"], "w") as out:
    json.dump({region: round(total, 2) for region, total in totals.items()}, out)
