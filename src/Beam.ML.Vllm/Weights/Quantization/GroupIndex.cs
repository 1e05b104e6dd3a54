namespace Beam.ML.Vllm.Weights.Quantization;

/// <summary>Which group each input is in: what GPTQ calls g_idx.</summary>
internal static class GroupIndex
{
    /// <summary>
    /// The inputs group by group, in their own order within each; null if they are so already.
    /// </summary>
    /// <exception cref="ModelLoadException">A group is out of range, or has more or fewer inputs than the group size.</exception>
    public static int[]? Order(TensorView? index, int inputs, int groupSize, int groups)
    {
        if (index is null || index.Columns * index.Rows == 0) return null;
        var groupOf = index.Require(inputs).Require(TensorType.Int32).Elements<int>();
        var next = new int[groups];
        for (var group = 0; group < groups; group++) next[group] = group * groupSize;
        var (order, sorted) = (new int[inputs], true);
        for (var input = 0; input < inputs; input++)
        {
            var group = groupOf[input];
            if ((uint)group >= (uint)groups) throw index.Wrong($"puts input {input} in group {group} of {groups}");
            var place = next[group]++;
            if (place >= Math.Min((group + 1) * groupSize, inputs)) throw index.Wrong($"puts more than {groupSize} inputs in group {group}");
            order[place] = input;
            sorted &= place == input;
        }

        return sorted ? null : order;
    }
}
