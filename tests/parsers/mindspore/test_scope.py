from __future__ import annotations

import pytest

from profkit.parsers.mindspore.scope import module_of_scope, phase_of_scope

SCOPES = {
    "Default/network-WithLoss/net-ViT/blocks-SequentialCell/0-Block/norm1-LayerNorm/Div-op0": "blocks.0.norm1",
    "Default/network-TrainOneStepCell/network-WithLossCell/_backbone-Net/fc-Dense/MatMul-op3": "fc",
    "Default/network-WithLossCell/_backbone-Net/backbone-ResNet/conv1-Conv2d/Conv2D-op1": "backbone.conv1",
    "Default/network-WithLossCell/_loss_fn-CrossEntropyLoss/Log-op0": "loss",
    "Default/network-WithLoss/loss-CrossEntropyLoss/Exp-op0": "loss",
    "Default/network-WithEvalCell/_network-Net/lstm-LSTM/rnn-_DynamicLSTMCPUGPU/LSTM-op0": "lstm.rnn",
    "Default/fc1-Dense/MatMul-op0": "fc1",
    "Default/net-SequentialCell/0-Dense/MatMul-op0": "net.0",
    "Default/network-WithLoss/net-ViT/Reshape-op0": "",
    "Gradients/Default/network-WithLoss/net-Net/fc2-Dense/Grad_MatMul/MatMul-op0": "fc2",
    "Gradients/Default/network-WithLoss/net-Net/layer_2-Block/conv_a-Conv2d/AddN-op1": "layer_2.conv_a",
    "recompute_Default/network-WithLoss/net-Net/fc2-Dense/MatMul-op0": "fc2",
    "Default/network-WithLoss/net-Net/fc2-Dense": "fc2",
}


@pytest.mark.parametrize(("scope", "module"), SCOPES.items())
def test_module_of_a_scope_in_both_spellings(scope: str, module: str) -> None:
    assert module_of_scope(scope) == module
    assert module_of_scope(scope.replace("/", "_")) == module


@pytest.mark.parametrize(
    "scope",
    [
        "Expand/_MatMulExt/MatMul-op0",
        "Expand__MatMulExt_MatMul-op0",
        "Default/Concat-op0",
        "Default_Concat-op0",
        "Default/optimizer-Momentum/ApplyMomentum-op0",
        "Default_optimizer-SGD_SGD-op12",
        "Defaulted/net-Net/Add-op0",
        "MatMul",
        "-",
        "",
    ],
)
def test_a_name_without_network_cells_has_no_module(scope: str) -> None:
    assert module_of_scope(scope) is None


def test_a_wrapped_attribute_name_counts_as_wrapper_only_below_a_wrapping_class() -> None:
    assert module_of_scope("Default/network-Net/model-Decoder/fc-Dense/MatMul-op0") == "model.fc"
    assert module_of_scope("Default/network-NetWithLoss/model-Decoder/fc-Dense/MatMul-op0") == "fc"


@pytest.mark.parametrize(
    ("scope", "phase"),
    [
        ("Default/network-WithLoss/net-Net/fc2-Dense/MatMul-op0", "forward"),
        ("Gradients_Default_network-WithLoss_net-Net_fc2-Dense_Grad_MatMul_MatMul-op0", "backward"),
        ("recompute_Default/network-WithLoss/net-Net/fc2-Dense/MatMul-op0", "recompute"),
        ("Gradients/recompute_Default/network-WithLoss/net-Net/fc2-Dense/MatMul-op0", "recompute"),
        ("Default_optimizer-Adam_Adam-op0", "optimizer"),
        ("Expand__SumExt_ReduceSum-op1", None),
    ],
)
def test_phase_of_a_scope(scope: str, phase: str | None) -> None:
    assert phase_of_scope(scope) == phase
