"""`peer.py DATABASE_URL PORT PAGE NAME [tuned]`, run by .venv-bench: the same shop loaded by dlt, upserted by id."""

import json
import os
import sys
import tempfile

_TUNED = {
    "DATA_WRITER__BUFFER_MAX_ITEMS": "20000",
    "DATA_WRITER__DISABLE_COMPRESSION": "true",
    "EXTRACT__DATA_WRITER__DISABLE_COMPRESSION": "true",
    "NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION": "true",
    "DESTINATION__POSTGRES__LOADER_FILE_FORMAT": "csv",
}


def main(url: str, port: int, size: int, name: str, tuned: bool) -> None:
    """Extract, normalise and load every product; prints how many came."""
    quiet = {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"}
    os.environ |= quiet | (_TUNED if tuned else {})
    with tempfile.TemporaryDirectory() as place:
        os.environ["DLT_DATA_DIR"] = place
        # dlt reads its settings from the environment when it is imported.
        import dlt  # noqa: PLC0415
        from dlt.sources.rest_api import rest_api_source  # noqa: PLC0415

        pages = {
            "type": "page_number",
            "base_page": 1,
            "page_param": "page",
            "total_path": None,
            "stop_after_empty_page": True,
        }
        products = {
            "name": "products",
            "endpoint": {"path": "products", "params": {"limit": size}, "data_selector": "products"},
            "columns": {"tags": {"data_type": "json"}},
        }
        source = rest_api_source(
            {
                "client": {"base_url": f"http://127.0.0.1:{port}/", "paginator": pages},
                "resource_defaults": {
                    "primary_key": "id",
                    "write_disposition": {"disposition": "merge", "strategy": "upsert"},
                },
                "resources": [products],
            }
        )
        pipeline = dlt.pipeline(
            pipeline_name=name, pipelines_dir=place, destination=dlt.destinations.postgres(url), dataset_name=name
        )
        pipeline.run(source).raise_on_failed_jobs()
        with pipeline.sql_client() as client:
            [[count]] = client.execute_sql("select count(*) from products")
        print(json.dumps({"count": count}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], "tuned" in sys.argv[5:])
