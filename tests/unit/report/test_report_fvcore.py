"""What a report says of fvcore's count of the dense MACs beside ours."""

from support.reports import make_records, make_suite

from bench.report.page import render_report


def page(change):
    suite = make_suite()
    return render_report(suite, [change(record) for record in make_records(suite)])


def agreeing(record, **more):
    return record.model_copy(update={"fvcore_macs": {layer.name: _macs(layer) for layer in record.layers} | more})


def _macs(layer):
    return int(layer.dense_macs_per_sample)


def test_agreement_is_said_and_no_count_is_not():
    assert "finds the same dense MACs in every layer." in page(agreeing)
    assert "fvcore, another" not in page(lambda record: record)
    said = page(lambda record: agreeing(record) if record.seed == 0 else record)
    assert "in every layer, in " in said and "the others do not say" in said


def test_a_layer_that_is_counted_otherwise_is_named():
    said = page(lambda record: agreeing(record, stranger=7) if record.seed == 0 else agreeing(record))
    assert "finds other dense MACs" in said and "stranger: 7 where we have 0" in said


def test_products_of_two_activations_are_not_asked_for():
    def with_product(record):
        product = record.layers[0].model_copy(update={"name": "attend: matmul", "second_kind": "analog"})
        return agreeing(record).model_copy(update={"layers": [*record.layers, product]})

    assert "finds the same dense MACs in every layer." in page(with_product)
