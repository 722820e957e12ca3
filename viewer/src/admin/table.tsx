import type { ComponentChildren } from "preact";

interface TableProps<T> {
  readonly label: string;
  readonly columns: readonly string[];
  readonly rows: readonly T[];
  readonly keyOf: (row: T) => string | number;
  readonly cells: (row: T) => readonly ComponentChildren[];
  readonly empty: string;
}

/** A table whose first column names the row; a note where there are no rows. */
export function Table<T>({ label, columns, rows, keyOf, cells, empty }: TableProps<T>) {
  if (rows.length === 0) return <p class="soft">{empty}</p>;
  return (
    <div class="admin-scroll" tabIndex={0} role="region" aria-label={label}>
      <table class="admin-table">
        <caption class="visually-hidden">{label}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column} scope="col">
                {column || <span class="visually-hidden">Actions</span>}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => {
            const [first, ...others] = cells(row);
            return (
              <tr key={keyOf(row)} data-row={keyOf(row)}>
                <th scope="row">{first}</th>
                {others.map((cell, index) => (
                  <td key={index}>{cell}</td>
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
