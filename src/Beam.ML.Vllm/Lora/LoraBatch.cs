using System.Runtime.InteropServices;
using Beam.ML.Vllm.Kernels;
using Beam.ML.Vllm.Models;

namespace Beam.ML.Vllm.Lora;

/// <summary>
/// The rows of a step by adapter. What adapters add is computed for their own rows only, by the same kernels as everything else, so a row's
/// result does not depend on which adapters are beside it. Reused step after step.
/// </summary>
internal sealed class LoraBatch
{
    private readonly List<Group> _groups = [];
    private float[] _scales = [];
    private int _used;

    public bool IsEmpty => _used == 0;

    public void Clear()
    {
        for (var i = 0; i < _used; i++) _groups[i].Clear();
        _used = 0;
    }

    /// <summary>Notes consecutive rows of one sequence.</summary>
    public void Add(LoraAdapter adapter, int firstRow, int rows)
    {
        var index = 0;
        while (index < _used && _groups[index].Adapter != adapter) index++;
        if (index == _groups.Count) _groups.Add(new Group());
        _used = Math.Max(_used, index + 1);
        _groups[index].Add(adapter, firstRow, rows);
    }

    /// <summary>y[row] += scale × B (A x[row]), for the rows of each adapter and the outputs of each module.</summary>
    public void Apply(ForwardContext context, LoraTarget[] targets, Matrix x, Matrix y)
    {
        for (var i = 0; i < _used; i++)
        {
            var group = _groups[i];
            Matrix? gathered = null;
            foreach (var target in targets)
            {
                if (group.Adapter![target] is not { } weights) continue;
                var input = gathered ??= group.Gather(context, x);
                var inner = context.Workspace.Matrix(Scratch.LoraInner, group.Count, weights.A.Outputs);
                context.Kernels.Multiply(input, weights.A, inner);
                var output = context.Workspace.Matrix(Scratch.LoraOutput, group.Count, target.Outputs);
                context.Kernels.Multiply(inner, weights.B, output);
                if (_scales.Length < group.Count) _scales = new float[Math.Max(group.Count, 2 * _scales.Length)];
                _scales.AsSpan(0, group.Count).Fill(weights.Scale);
                context.Kernels.AddScaledRows(output, group.Rows, _scales, first: 0, y.SliceColumns(target.FirstOutput, target.Outputs));
            }
        }
    }

    private sealed class Group
    {
        public LoraAdapter? Adapter { get; private set; }

        public int[] Rows { get; private set; } = new int[16];

        public int Count { get; private set; }

        public void Clear() => (Adapter, Count) = (null, 0);

        public void Add(LoraAdapter adapter, int firstRow, int rows)
        {
            Adapter = adapter;
            if (Rows.Length < Count + rows)
            {
                var longer = new int[Math.Max(Count + rows, 2 * Rows.Length)];
                Rows.AsSpan(0, Count).CopyTo(longer);
                Rows = longer;
            }

            for (var i = 0; i < rows; i++) Rows[Count++] = firstRow + i;
        }

        /// <summary>The group's rows side by side: as they are where they lie so already, a copy otherwise.</summary>
        public Matrix Gather(ForwardContext context, Matrix x)
        {
            if (Rows[Count - 1] - Rows[0] == Count - 1) return x.Slice(Rows[0], Count);
            var gathered = context.Workspace.Matrix(Scratch.LoraInput, Count, x.Columns);
            for (var i = 0; i < Count; i++) x.RowSpan(Rows[i]).CopyTo(gathered.RowSpan(i));
            return gathered;
        }
    }
}
