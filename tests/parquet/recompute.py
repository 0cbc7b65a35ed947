"""Reads a result folder with pandas, Polars and DuckDB and recomputes estimates from its rows.

Prints one JSON object: for each reader the estimates by design, and the columns of each table as the file documents them.
Usage: python recompute.py FOLDER
"""

import json
import sys

import duckdb
import pandas
import polars
import pyarrow.parquet

TABLES = ["runs", "pods", "accesses", "exposures", "edges", "flows"]


def documented(folder):
    columns = {}
    for table in TABLES:
        metadata = pyarrow.parquet.read_metadata(f"{folder}/{table}.parquet").metadata
        columns[table] = json.loads(metadata[b"meshfault.columns"])
    return columns


def by_duckdb(folder):
    query = f"""
        with runs as (select design, replication, certificate_requests, stale_entries, demonstrated
                      from '{folder}/runs.parquet' where failure_reason is null),
             hits as (select design, replication, bool_or(class = 'unauthorized') as hit
                      from '{folder}/accesses.parquet' group by all),
             measured as (select design, replication, count(*) as pods,
                                 count(*) filter (where exit_cause = 'deleted') as deleted
                          from '{folder}/pods.parquet' where measured group by all)
        select runs.design, avg(coalesce(hit, false)::int), avg(certificate_requests), avg(stale_entries),
               sum(deleted) / sum(pods)
        from runs left join hits using (design, replication) left join measured using (design, replication)
        group by runs.design
    """
    names = ["unauthorized_any", "certificate_requests", "stale_entries", "deleted_before_ready_share"]
    return {design: dict(zip(names, values)) for design, *values in duckdb.sql(query).fetchall()}


def by_pandas(folder):
    runs = pandas.read_parquet(f"{folder}/runs.parquet")
    runs = runs[runs["failure_reason"].isna()]
    accesses = pandas.read_parquet(f"{folder}/accesses.parquet")
    pods = pandas.read_parquet(f"{folder}/pods.parquet")
    estimates = {}
    for design, of_design in runs.groupby("design", observed=True):
        hits = accesses[(accesses["design"] == design) & (accesses["class"] == "unauthorized")]
        measured = pods[(pods["design"] == design) & pods["measured"]]
        estimates[design] = {
            "unauthorized_any": float(hits["replication"].nunique() / len(of_design)),
            "certificate_requests": float(of_design["certificate_requests"].mean()),
            "stale_entries": float(of_design["stale_entries"].mean()),
            "deleted_before_ready_share": float((measured["exit_cause"] == "deleted").sum() / len(measured)),
        }
    return estimates


def by_polars(folder):
    runs = polars.read_parquet(f"{folder}/runs.parquet").filter(polars.col("failure_reason").is_null())
    accesses = polars.read_parquet(f"{folder}/accesses.parquet")
    pods = polars.read_parquet(f"{folder}/pods.parquet")
    estimates = {}
    for design in runs["design"].unique().to_list():
        of_design = runs.filter(polars.col("design") == design)
        hits = accesses.filter((polars.col("design") == design) & (polars.col("class") == "unauthorized"))
        measured = pods.filter((polars.col("design") == design) & polars.col("measured"))
        estimates[design] = {
            "unauthorized_any": hits["replication"].n_unique() / len(of_design),
            "certificate_requests": of_design["certificate_requests"].mean(),
            "stale_entries": of_design["stale_entries"].mean(),
            "deleted_before_ready_share": len(measured.filter(polars.col("exit_cause") == "deleted")) / len(measured),
        }
    return estimates


def main():
    folder = sys.argv[1]
    readers = {"duckdb": by_duckdb, "pandas": by_pandas, "polars": by_polars}
    estimates = {name: read(folder) for name, read in readers.items()}
    json.dump({"estimates": estimates, "columns": documented(folder)}, sys.stdout)


if __name__ == "__main__":
    main()
